import assert from "node:assert/strict";
import { test } from "node:test";
import { type ByteSource, quietCall } from "../../src/base/index.ts";
import { peer, reply } from "./peer.ts";
import {
  blob,
  bytes,
  cutAfter,
  early,
  losing,
  type Misbehaviour,
  says,
  source,
  status,
  uploadRegistry,
} from "./upload-registry.ts";

const call = quietCall();
const again = (n: number): string[] => [
  `DELETE /up/${n - 1}`,
  "POST uploads/",
  `PATCH /up/${n}`,
  `PUT /up/${n}`,
];

// What the registry does first, and the requests that then end in a whole blob.
const mended: readonly [string, Misbehaviour, "ingest" | "ingest sized" | "put", string[]][] = [
  [
    "a PATCH cut is continued where the registry says",
    { PATCH: [cutAfter(123_456)] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1 123456-399999", "PUT /up/1"],
  ],
  [
    "the registry says it as a range of bytes",
    { PATCH: [cutAfter(100)], GET: [says({ range: "bytes=0-99" })] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1 100-399999", "PUT /up/1"],
  ],
  [
    "more had arrived than the registry knew: asked again",
    { PATCH: [cutAfter(50_000)], GET: [says({ range: "0-39999" })] },
    "ingest sized",
    [
      ...["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1 40000-399999"],
      ...["GET /up/1", "PATCH /up/1 50000-399999", "PUT /up/1"],
    ],
  ],
  [
    "cut more often than is tried without progress",
    { PATCH: [1, 2, 3, 4, 5].map((n) => cutAfter(n * 20_000)) },
    "ingest sized",
    [
      ...["POST uploads/", "PATCH /up/1", "GET /up/1"],
      ...[20_000, 60_000, 120_000, 200_000].flatMap((at) => [`PATCH /up/1 ${at}-399999`, "GET /up/1"]),
      ...["PATCH /up/1 300000-399999", "PUT /up/1"],
    ],
  ],
  [
    "all arrived, but the answer did not",
    { PATCH: [cutAfter(400_000)] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PUT /up/1"],
  ],
  [
    "the registry says yes, but kept less",
    { PATCH: [losing(150_000)] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1 150000-399999", "PUT /up/1"],
  ],
  [
    "nothing arrived",
    { PATCH: [cutAfter(0)] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", ...again(2)],
  ],
  [
    "the upload was forgotten, as the registry says when asked",
    { PATCH: [cutAfter(5_000)], GET: [status(404)] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", ...again(2)],
  ],
  [
    "the upload was forgotten, as the next request learns",
    { PATCH: [cutAfter(5_000), early(404)] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1 5000-399999", ...again(2)],
  ],
  [
    "the registry does not say how much it has",
    { PATCH: [cutAfter(5_000)], GET: [says({})] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", ...again(2)],
  ],
  [
    "the registry counts more than was sent",
    { PATCH: [cutAfter(5_000)], GET: [says({ range: "0-9999999" })] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", ...again(2)],
  ],
  [
    "503 to POST and PATCH",
    { POST: [status(503)], PATCH: [early(503)] },
    "ingest",
    ["POST uploads/", "POST uploads/", "PATCH /up/1", "GET /up/1", ...again(2)],
  ],
  [
    "the last answer was lost, not the blob",
    {
      PUT: [
        (request, _response, upload, registry) => {
          registry.blobs.set(blob.digest, upload.bytes);
          registry.open.clear();
          request.socket.destroy();
        },
      ],
    },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "PUT /up/1", "PUT /up/1", "HEAD blob"],
  ],
  [
    "the last request was lost",
    { PUT: [cutAfter(0)] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "PUT /up/1", "PUT /up/1"],
  ],
  [
    "a PUT of all was cut",
    { PUT: [cutAfter(100_000)] },
    "put",
    ["POST uploads/ mount", "PUT /up/1", "HEAD blob", "DELETE /up/1", "POST uploads/ mount", "PUT /up/2"],
  ],
];
for (const [name, wrong, how, log] of mended) {
  test(`an upload arrives whole: ${name}`, async () => {
    await using registry = await uploadRegistry(wrong);
    await using store = registry.store();
    if (how === "put") await store.put(blob, source(true), call);
    else assert.deepEqual(await store.ingest(blob.mediaType, source(how === "ingest sized"), call), blob);
    // A kept connection that was cut with the request is tried anew without a word; it may show, or not.
    assert.deepEqual(registry.log, log);
    assert.equal(registry.blobs.get(blob.digest)?.equals(bytes), true);
    assert.equal(registry.open.size, 0);
  });
}

test("an upload whose size nobody knows goes on behind a small piece that fits; bytes are made only once", async () => {
  const rounds: readonly [string, number, Misbehaviour["GET"], string[]][] = [
    ["at once", 50_000, [], ["PATCH /up/1 50000-312143", "PATCH /up/1"]],
    [
      "at the second try: the registry has more than it said",
      50_000,
      [says({ range: "0-39999" })],
      ["PATCH /up/1 40000-302143", "GET /up/1", "PATCH /up/1 50000-312143", "PATCH /up/1"],
    ],
    [
      "at the second try: it has even more than was sent again",
      350_000,
      [says({ range: "0-39999" })],
      ["PATCH /up/1 40000-302143", "GET /up/1", "PATCH /up/1 350000-399999"],
    ],
  ];
  for (const [name, arrives, GET, log] of rounds) {
    let reached = (): void => {};
    const cut = new Promise<void>((resolve) => {
      reached = resolve;
    });
    await using registry = await uploadRegistry({
      PATCH: [
        async (...given) => {
          await cutAfter(arrives)(...given);
          reached();
        },
      ],
      GET: GET ?? [],
    });
    const openings: number[] = [];
    const slow: ByteSource = {
      async *open(offset) {
        openings.push(offset);
        for (let at = offset; at < bytes.length; at += 50_000) {
          yield bytes.subarray(at, at + 50_000);
          if (at + 50_000 >= arrives) await cut;
        }
      },
    };
    await using store = registry.store();
    assert.deepEqual(await store.ingest(blob.mediaType, slow, call), blob, name);
    assert.deepEqual(registry.log, ["POST uploads/", "PATCH /up/1", "GET /up/1", ...log, "PUT /up/1"], name);
    assert.equal(registry.blobs.get(blob.digest)?.equals(bytes), true);
    assert.equal(openings.length, GET?.length === 0 ? 2 : 3);
  }
});

test("a token that ends while bytes flow is replaced, and the upload goes on", async () => {
  let tokens = 0;
  await using auth = await peer((_seen, response) => reply(response, 200, {}, `{"token":"t${tokens++}"}`));
  const challenge = { "www-authenticate": `Bearer realm="${auth.url}/token"` };
  await using registry = await uploadRegistry({
    POST: [status(401, challenge)],
    PATCH: [early(401, challenge)],
  });
  await using store = registry.store();
  assert.deepEqual(await store.ingest(blob.mediaType, source(false), call), blob);
  assert.equal(tokens, 2);
  assert.equal(registry.open.size, 0);
});
