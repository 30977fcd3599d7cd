import assert from "node:assert/strict";
import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type ByteSource, fromBytes, Network, quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/store/index.ts";
import { codeOf, someBytes } from "../contract/store.ts";
import { peer, refuse, reply } from "./remote-peer.ts";

const call = quietCall();
const bytes = someBytes(400_000);
const d = { mediaType: MediaType.layerTar, digest: digestOf(bytes), size: bytes.length };

/** The bytes in pieces, so that an upload can be cut between them. */
function source(sized: boolean, content: Uint8Array = bytes): ByteSource {
  return {
    ...(sized ? { size: content.length } : {}),
    async *open(offset) {
      for (let at = offset; at < content.length; at += 10_000) yield content.subarray(at, at + 10_000);
    },
  };
}

type Step = (request: IncomingMessage, response: ServerResponse, upload: Upload) => void | Promise<void>;

interface Upload {
  bytes: Buffer;
}

interface Uploads extends AsyncDisposable {
  /** `METHOD path content-range`, in order; the number in the path is the upload's. */
  readonly log: string[];
  readonly blobs: Map<string, Buffer>;
  /** Uploads that were begun and not ended. */
  readonly open: Map<string, Upload>;
  store(options?: RemoteOptions): Store;
}

/** Keeps what arrives of the body, up to `limit` bytes. */
async function take(
  request: IncomingMessage,
  upload: Upload,
  limit = Number.POSITIVE_INFINITY,
): Promise<void> {
  let left = limit;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      upload.bytes = Buffer.concat([upload.bytes, chunk.subarray(0, left)]);
      left -= chunk.length;
      if (left <= 0) return;
    }
  } catch {
    // The client went away; what came is kept.
  }
}

/** A registry that keeps uploads, but answers the first requests of some methods as it is told. */
async function uploads(wrong: Readonly<Record<string, readonly Step[]>> = {}): Promise<Uploads> {
  const log: string[] = [];
  const blobs = new Map<string, Buffer>();
  const open = new Map<string, Upload>();
  const nth = new Map<string, number>();
  let begun = 0;
  const usual: Record<string, Step> = {
    POST(_request, response) {
      open.set(`${++begun}`, { bytes: Buffer.alloc(0) });
      reply(response, 202, { location: `/up/${begun}` });
    },
    async PATCH(request, response, upload) {
      const range = /^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1];
      if (range !== undefined && Number(range) !== upload.bytes.length) return reply(response, 416);
      await take(request, upload);
      reply(response, 202, { location: request.url ?? "", range: `0-${upload.bytes.length - 1}` });
    },
    GET(request, response, upload) {
      reply(response, 204, {
        location: request.url ?? "",
        range: `0-${Math.max(0, upload.bytes.length - 1)}`,
      });
    },
    async PUT(request, response, upload) {
      await take(request, upload);
      const url = new URL(request.url ?? "", "http://x");
      const digest = url.searchParams.get("digest") ?? "";
      if (digestOf(upload.bytes) !== digest) return refuse(response, 400, "DIGEST_INVALID");
      blobs.set(digest, upload.bytes);
      open.delete(url.pathname.slice(4));
      reply(response, 201);
    },
    DELETE(request, response) {
      reply(response, open.delete(request.url?.slice(4) ?? "") ? 204 : 404);
    },
    HEAD(request, response) {
      reply(response, blobs.has(request.url?.split("/").at(-1) ?? "") ? 200 : 404);
    },
  };
  const server = http.createServer(async (request, response) => {
    const { method = "", url = "" } = request;
    const path = url.split("?")[0]?.replace("/v2/a/b/blobs/", "") ?? "";
    log.push(
      [method, path.replace(/sha256:.*/, "blob"), request.headers["content-range"]].filter(Boolean).join(" "),
    );
    const n = nth.get(method) ?? 0;
    nth.set(method, n + 1);
    const upload = open.get(path.slice(4));
    if (path.startsWith("/up/") && upload === undefined) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
    await (wrong[method]?.[n] ?? usual[method])?.(request, response, upload ?? { bytes: Buffer.alloc(0) });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const network = new Network({ env: {} });
  const place = { registry: `127.0.0.1:${(server.address() as AddressInfo).port}`, repository: "a/b" };
  const usually = { network, retry: { attempts: 3, delay: 1 }, idleTimeout: 5_000 };
  return {
    log,
    blobs,
    open,
    store: (options) => openRemote(place, { ...usually, ...options }),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Takes so many bytes, then cuts the connection. */
const cutAfter =
  (n: number): Step =>
  async (request, _response, upload) => {
    const { socket } = request;
    await take(request, upload, n);
    socket.destroy();
  };
const status =
  (code: number, headers: Record<string, string> = {}): Step =>
  async (request, response, upload) => {
    await take(request, { bytes: upload.bytes });
    reply(response, code, headers);
  };
const early =
  (code: number, headers: Record<string, string> = {}): Step =>
  (_request, response) =>
    reply(response, code, { ...headers, connection: "close" });

test("a blob of unknown digest goes in one pass: POST, PATCH, PUT", async () => {
  await using registry = await uploads();
  assert.deepEqual(await registry.store().ingest(d.mediaType, source(false), call), d);
  assert.deepEqual(registry.log, ["POST uploads/", "PATCH /up/1", "PUT /up/1"]);
  assert.equal(registry.blobs.get(d.digest)?.equals(bytes), true);
});

test("a small blob of known digest saves a round trip: POST, PUT", async () => {
  await using registry = await uploads();
  await registry.store().put(d, source(true), call);
  assert.deepEqual(registry.log, ["POST uploads/", "PUT /up/1"]);
  assert.equal(registry.blobs.get(d.digest)?.equals(bytes), true);
});

// What the registry does first, and the requests that then end in a whole blob.
const mended: readonly [
  string,
  Parameters<typeof uploads>[0],
  "ingest" | "ingest sized" | "put",
  string[],
][] = [
  [
    "a PATCH cut is continued where the registry says",
    { PATCH: [cutAfter(123_456)] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1 123456-399999", "PUT /up/1"],
  ],
  [
    "more had arrived than the registry knew: asked again",
    {
      PATCH: [cutAfter(50_000)],
      GET: [(_request, response) => reply(response, 204, { range: "0-39999" })],
    },
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
      "POST uploads/",
      "PATCH /up/1",
      "GET /up/1",
      "PATCH /up/1 20000-399999",
      "GET /up/1",
      "PATCH /up/1 60000-399999",
      "GET /up/1",
      "PATCH /up/1 120000-399999",
      "GET /up/1",
      "PATCH /up/1 200000-399999",
      "GET /up/1",
      "PATCH /up/1 300000-399999",
      "PUT /up/1",
    ],
  ],
  [
    "all arrived, but the answer did not",
    { PATCH: [cutAfter(400_000)] },
    "ingest sized",
    ["POST uploads/", "PATCH /up/1", "GET /up/1", "PUT /up/1"],
  ],
  [
    "nothing arrived: begun again",
    { PATCH: [cutAfter(0)] },
    "ingest",
    [
      "POST uploads/",
      "PATCH /up/1",
      "GET /up/1",
      "DELETE /up/1",
      "POST uploads/",
      "PATCH /up/2",
      "PUT /up/2",
    ],
  ],
  [
    "the upload was forgotten: begun again",
    { PATCH: [cutAfter(5_000)], GET: [status(404)] },
    "ingest",
    [
      "POST uploads/",
      "PATCH /up/1",
      "GET /up/1",
      "DELETE /up/1",
      "POST uploads/",
      "PATCH /up/2",
      "PUT /up/2",
    ],
  ],
  [
    "the registry counts more than was sent: begun again",
    { PATCH: [cutAfter(5_000)], GET: [status(204, { range: "0-9999999" })] },
    "ingest",
    [
      "POST uploads/",
      "PATCH /up/1",
      "GET /up/1",
      "DELETE /up/1",
      "POST uploads/",
      "PATCH /up/2",
      "PUT /up/2",
    ],
  ],
  [
    "503 to POST and PATCH",
    { POST: [status(503)], PATCH: [early(503)] },
    "ingest",
    [
      "POST uploads/",
      "POST uploads/",
      "PATCH /up/1",
      "GET /up/1",
      "DELETE /up/1",
      "POST uploads/",
      "PATCH /up/2",
      "PUT /up/2",
    ],
  ],
  [
    "the last answer was lost, not the blob",
    {
      PUT: [
        (request, _response, upload) => {
          lost.registry?.blobs.set(d.digest, upload.bytes);
          lost.registry?.open.clear();
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
    "a PUT of all was cut: begun again",
    { PUT: [cutAfter(100_000)] },
    "put",
    ["POST uploads/", "PUT /up/1", "HEAD blob", "DELETE /up/1", "POST uploads/", "PUT /up/2"],
  ],
];
const lost: { registry?: Uploads } = {};
for (const [name, wrong, how, log] of mended) {
  test(`upload: ${name}`, async () => {
    await using registry = await uploads(wrong);
    lost.registry = registry;
    const store = registry.store();
    if (how === "put") await store.put(d, source(true), call);
    else assert.deepEqual(await store.ingest(d.mediaType, source(how === "ingest sized"), call), d);
    assert.deepEqual(registry.log, log);
    assert.equal(registry.blobs.get(d.digest)?.equals(bytes), true);
  });
}

test("an upload whose size nobody knows is continued, and begun again where that went wrong", async () => {
  const rounds: readonly [string, readonly Step[], string[]][] = [
    ["rightly", [], ["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1", "PUT /up/1"]],
    [
      "wrongly",
      // The registry has more than it says.
      [(_request, response) => reply(response, 204, { range: "0-39999" })],
      [
        ...["POST uploads/", "PATCH /up/1", "GET /up/1", "PATCH /up/1", "PUT /up/1", "DELETE /up/1"],
        ...["POST uploads/", "PATCH /up/2", "PUT /up/2"],
      ],
    ],
  ];
  for (const [name, GET, log] of rounds) {
    let reached = (): void => {};
    const cut = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const first: Step = async (request, response, upload) => {
      await cutAfter(50_000)(request, response, upload);
      reached();
    };
    await using registry = await uploads({ PATCH: [first], GET });
    const slow: ByteSource = {
      async *open(offset) {
        for (let at = offset; at < bytes.length; at += 50_000) {
          yield bytes.subarray(at, at + 50_000);
          await cut;
        }
      },
    };
    assert.deepEqual(await registry.store().ingest(d.mediaType, slow, call), d, name);
    assert.deepEqual(registry.log, log, name);
    assert.equal(registry.blobs.get(d.digest)?.equals(bytes), true);
  }
});

test("a token that ends while bytes flow is replaced, and the upload continued", async () => {
  let tokens = 0;
  await using auth = await peer((_seen, response) => reply(response, 200, {}, `{"token":"t${tokens++}"}`));
  const challenge = { "www-authenticate": `Bearer realm="${auth.url}/token"` };
  await using registry = await uploads({
    POST: [status(401, challenge)],
    PATCH: [early(401, challenge)],
    GET: [(_request, response) => reply(response, 204, { range: "0-1" })],
  });
  // The registry above has nothing of the refused PATCH: its answer to GET is a lie that costs one more round.
  assert.deepEqual(await registry.store().ingest(d.mediaType, source(false), call), d);
  assert.equal(tokens, 2);
  assert.equal(registry.open.size, 0);
});

const failures: readonly [string, Parameters<typeof uploads>[0], string, string][] = [
  ["413 before the body is sent", { PATCH: [early(413)] }, "registry-error", "DELETE /up/1"],
  ["403 to POST", { POST: [status(403)] }, "denied", "POST uploads/"],
  [
    "500 to PUT, each time",
    { PUT: [500, 500, 500, 500].map((n) => status(n)) },
    "registry-error",
    "DELETE /up/1",
  ],
  ["a digest refused without a cut", { PUT: [status(400)] }, "registry-error", "DELETE /up/1"],
  ["no Location", { POST: [status(202)] }, "registry-error", "POST uploads/"],
  [
    "a Location that is none",
    { POST: [status(202, { location: "http://[" })] },
    "registry-error",
    "POST uploads/",
  ],
  ["cut each time", { PATCH: [0, 0, 0, 0].map(cutAfter) }, "registry-unreachable", "DELETE /up/3"],
];
for (const [name, wrong, code, last] of failures) {
  test(`upload: ${name}: ${code}, and nothing is left open`, async () => {
    await using registry = await uploads(wrong);
    assert.equal(await codeOf(registry.store().ingest(d.mediaType, source(false), call)), code);
    assert.equal(registry.log.at(-1), last);
    assert.equal(registry.open.size, 0);
    assert.equal(registry.blobs.size, 0);
  });
}

test("an abort, and a source that breaks, end the upload at the registry", async () => {
  for (const aborting of [true, false]) {
    await using registry = await uploads();
    const gone = new AbortController();
    const own = new Error("the disk broke");
    const broken: ByteSource = {
      async *open() {
        yield bytes;
        if (!aborting) throw own;
        gone.abort(own);
        yield bytes;
      },
    };
    await assert.rejects(
      registry.store().ingest(d.mediaType, broken, { signal: gone.signal }),
      (e) => e === own,
    );
    assert.deepEqual(registry.log, ["POST uploads/", "PATCH /up/1", "DELETE /up/1"]);
    assert.equal(registry.open.size, 0);
  }
});

test("a registry that does not know a blob yet is asked once more to take the manifest", async () => {
  const manifest = Buffer.from("{}");
  const m = { mediaType: MediaType.manifest, digest: digestOf(manifest), size: 2 };
  for (const [failing, code] of [
    [1, "none"],
    [2, "not-found"],
  ] as const) {
    let n = 0;
    await using registry = await peer((_seen, response) =>
      n++ < failing ? refuse(response, 404, "MANIFEST_BLOB_UNKNOWN") : reply(response, 201),
    );
    assert.equal(await codeOf(registry.open().put(m, fromBytes(manifest), call)), code);
    assert.equal(n, 2);
  }
});

test("a registry that changes a manifest is told", async () => {
  const manifest = Buffer.from("{}");
  const m = { mediaType: MediaType.manifest, digest: digestOf(manifest), size: 2 };
  await using registry = await peer((_seen, response) =>
    reply(response, 201, { "docker-content-digest": d.digest }),
  );
  assert.equal(await codeOf(registry.open().put(m, fromBytes(manifest), call)), "digest-mismatch");
});
