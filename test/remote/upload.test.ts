import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import type { Digest } from "../../src/oci/index.ts";
import { codeOf, someBytes } from "../contract/store.ts";
import { refuse, reply } from "./peer.ts";
import {
  atMost,
  begins,
  blob,
  bytes,
  early,
  type Misbehaviour,
  source,
  status,
  uploadRegistry,
} from "./upload-registry.ts";

const call = quietCall();
const many = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of);
const MIB = 1024 * 1024;

// How a registry wants it, and the requests that do it.
const ways: readonly [string, Misbehaviour, "ingest" | "ingest sized" | "put", string[]][] = [
  ["of unknown digest goes in one pass", {}, "ingest", ["POST uploads/", "PATCH /up/1", "PUT /up/1"]],
  ["of known size, too", {}, "ingest sized", ["POST uploads/", "PATCH /up/1", "PUT /up/1"]],
  ["of known digest saves a round trip", {}, "put", ["POST uploads/ mount", "PUT /up/1"]],
  [
    "where nobody may mount without a name",
    { POST: [status(400, {}, "NAME_INVALID")] },
    "put",
    ["POST uploads/ mount", "POST uploads/", "PUT /up/1"],
  ],
  [
    "in pieces as small as the registry asks",
    { POST: [begins({ "oci-chunk-max-length": "150000" })] },
    "ingest sized",
    [
      ...["POST uploads/", "PATCH /up/1 0-149999", "PATCH /up/1 150000-299999"],
      ...["PATCH /up/1 300000-399999", "PUT /up/1"],
    ],
  ],
  [
    "in pieces not smaller than it asks",
    { POST: [begins({ "oci-chunk-max-length": "10", "oci-chunk-min-length": "200000" })] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "PATCH /up/1", "PUT /up/1"],
  ],
  [
    "where only POST says where it goes on",
    {
      PATCH: [
        async (request, response, upload) => {
          for await (const chunk of request) upload.bytes = Buffer.concat([upload.bytes, chunk as Buffer]);
          reply(response, 202);
        },
      ],
    },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "PUT /up/1"],
  ],
  [
    "without PATCH: the source is read once for its digest",
    { PATCH: [status(405)] },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "DELETE /up/1", "POST uploads/ mount", "PUT /up/2"],
  ],
  [
    "without PATCH, as an error says",
    { PATCH: [status(404, {}, "UNSUPPORTED")] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "DELETE /up/1", "POST uploads/ mount", "PUT /up/2"],
  ],
  [
    "early accepted by PATCH, so that PUT is refused",
    {
      PATCH: [
        async (request, response, _upload, registry) => {
          for await (const _ of request);
          registry.blobs.set(blob.digest, Buffer.from(bytes));
          reply(response, 201, { location: request.url ?? "" });
        },
      ],
      PUT: [
        (_request, response, _upload, registry) => {
          registry.open.clear();
          refuse(response, 400, "BLOB_UPLOAD_INVALID");
        },
      ],
    },
    "ingest",
    ["POST uploads/", "PATCH /up/1", "PUT /up/1", "HEAD blob"],
  ],
];
for (const [name, how, what, log] of ways) {
  test(`upload: a blob ${name}`, async () => {
    await using registry = await uploadRegistry(how);
    await using store = registry.store();
    if (what === "put") await store.put(blob, source(true), call);
    else assert.deepEqual(await store.ingest(blob.mediaType, source(what === "ingest sized"), call), blob);
    assert.deepEqual(registry.log, log);
    assert.equal(registry.blobs.get(blob.digest)?.equals(bytes), true);
    assert.equal(registry.open.size, 0);
  });
}

const large = someBytes(5 * MIB, 3);
const limits: readonly [string, Misbehaviour, boolean, string[]][] = [
  [
    "413, of known size",
    { PATCH: many(8, atMost(MIB)) },
    true,
    [
      ...["POST uploads/", "PATCH /up/1", "DELETE /up/1"],
      ...["POST uploads/", "PATCH /up/2 0-4194303", "DELETE /up/2", "POST uploads/"],
      ...[0, 1, 2, 3, 4].map((n) => `PATCH /up/3 ${n * MIB}-${(n + 1) * MIB - 1}`),
      "PUT /up/3",
    ],
  ],
  [
    "GHCR's 416, of known size",
    { PATCH: many(4, atMost(4 * MIB, 416)) },
    true,
    [
      ...["POST uploads/", "PATCH /up/1", "DELETE /up/1", "POST uploads/"],
      ...[`PATCH /up/2 0-${4 * MIB - 1}`, `PATCH /up/2 ${4 * MIB}-${5 * MIB - 1}`, "PUT /up/2"],
    ],
  ],
  [
    "413, of unknown size",
    { PATCH: [early(413), early(413), ...many(4, atMost(4 * MIB))] },
    false,
    [
      ...[1, 2].flatMap((n) => ["POST uploads/", `PATCH /up/${n}`, `DELETE /up/${n}`]),
      ...["POST uploads/", "PATCH /up/3", "DELETE /up/3"],
      ...["POST uploads/", "PATCH /up/4", "PATCH /up/4", "PUT /up/4"],
    ],
  ],
];
for (const [name, wrong, sized, log] of limits) {
  test(`upload: a body too large is sent in pieces, and so is the next: ${name}`, async () => {
    await using registry = await uploadRegistry(wrong);
    await using store = registry.store();
    const d = await store.ingest(blob.mediaType, source(sized, large), call);
    assert.deepEqual(registry.log, log);
    assert.equal(registry.blobs.get(d.digest)?.equals(large), true);
    assert.equal(registry.open.size, 0);
    registry.log.length = 0;
    const next = await store.ingest(blob.mediaType, source(true, someBytes(2 * MIB, 4)), call);
    assert.equal(registry.blobs.has(next.digest), true);
    const pieces = registry.log.filter((line) => line.startsWith("PATCH"));
    assert.equal(pieces.length, name.startsWith("413, of known") ? 2 : 1);
  });
}

test("a blob that another repository has is mounted, whichever it is: nothing is sent", async () => {
  await using registry = await uploadRegistry();
  await using store = registry.store();
  registry.elsewhere.add(blob.digest);
  await store.put(blob, source(true), call);
  assert.deepEqual(registry.log, ["POST uploads/ mount"]);
});

test("an upload that the registry opened instead of a mount is used for it, or ended with the store", async () => {
  await using registry = await uploadRegistry();
  for (const [push, log] of [
    [true, ["POST uploads/ mount", "PUT /up/1"]],
    [false, ["POST uploads/ mount", "DELETE /up/2"]],
  ] as const) {
    registry.log.length = 0;
    await using other = registry.store({}, "c/d");
    await using store = registry.store();
    assert.equal(await store.can.mount?.mount(blob, other, call), false);
    if (push) await store.put(blob, source(true), call);
    await store[Symbol.asyncDispose]();
    assert.deepEqual(registry.log, log);
    assert.equal(registry.open.size, 0);
  }
});

test("content named by sha512 is uploaded by that name", async () => {
  const digest: Digest = `sha512:${createHash("sha512").update(bytes).digest("hex")}`;
  const d = { ...blob, digest };
  const asked: string[] = [];
  await using registry = await uploadRegistry({
    PUT: [
      async (request, response, upload, all) => {
        for await (const _ of request);
        asked.push(new URL(request.url ?? "", "http://x").searchParams.get("digest") ?? "");
        all.blobs.set(digest, Buffer.from(bytes));
        all.open.clear();
        upload.bytes = Buffer.alloc(0);
        reply(response, 201);
      },
    ],
  });
  await using store = registry.store();
  await store.put(d, source(true), call);
  assert.deepEqual(asked, [digest]);
  assert.equal(
    await codeOf(store.put({ ...d, size: 3 }, fromBytes(Buffer.from("abc")), call)),
    "digest-mismatch",
  );
});

test("a registry that takes content named by sha512 and does not keep it is told of", async () => {
  const digest: Digest = `sha512:${createHash("sha512").update(bytes).digest("hex")}`;
  await using registry = await uploadRegistry({
    PUT: [
      async (request, response, _upload, all) => {
        for await (const _ of request);
        all.open.clear();
        reply(response, 201);
      },
    ],
  });
  await using store = registry.store();
  assert.equal(await codeOf(store.put({ ...blob, digest }, source(true), call)), "unsupported");
});
