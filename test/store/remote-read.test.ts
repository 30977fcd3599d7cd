import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, fromBytes, quietCall, silent } from "../../src/base/index.ts";
import { digestOf, MANIFEST_LIMIT, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote } from "../../src/store/index.ts";
import { codeOf, gather, someBytes } from "../contract/store.ts";
import { type Behaviour, peer, refuse, reply, type Seen } from "./remote-peer.ts";

const call = quietCall();
const bytes = someBytes(100_000);
const d = { mediaType: MediaType.layerTar, digest: digestOf(bytes), size: bytes.length };
const read = (store: Store, from?: number): Promise<Uint8Array> =>
  collect(store.read(d, call, from), 1 << 24, "it");

/** Where a Range asks to begin; undefined without one. */
function rangeOf(seen: Seen): number | undefined {
  const start = /^bytes=(\d+)-\d+$/.exec(seen.headers.range ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

/** Behaves once as each of the list, then as a good registry. */
function atFirst(...first: Behaviour[]): Behaviour {
  let n = 0;
  return (seen, response, socket) => {
    const wrong = first[n++];
    if (wrong !== undefined) return wrong(seen, response, socket);
    const from = rangeOf(seen);
    if (from === undefined) return reply(response, 200, { "content-length": `${bytes.length}` }, bytes);
    const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
    reply(response, 206, { "content-range": range }, bytes.subarray(from));
  };
}

/** Sends so many bytes of the content, then cuts the connection. */
const cutAfter =
  (n: number): Behaviour =>
  (seen, response, socket) => {
    const from = rangeOf(seen) ?? 0;
    if (from > 0) response.setHeader("content-range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from });
    response.write(bytes.subarray(from, from + n), () => socket.destroy());
  };
const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (_seen, response) =>
    reply(response, code, headers, "<html>busy</html>");
const cut: Behaviour = (_seen, _response, socket) => void socket.destroy();
/** Says another length than the body has, and closes. */
const length =
  (said: number): Behaviour =>
  (_seen, response, socket) => {
    response.writeHead(200, { "content-length": said });
    response.write(bytes.subarray(0, said), () => socket.end());
  };

const mended: readonly [string, Behaviour[]][] = [
  ["500, then 503", [status(500), status(503)]],
  ["429 with a short Retry-After", [status(429, { "retry-after": "0" })]],
  ["503 with a date gone by", [status(503, { "retry-after": "Thu, 01 Jan 2015 00:00:00 GMT" })]],
  ["no answer, twice", [cut, cut]],
  ["cut after a while", [cutAfter(30_000), cutAfter(1), cutAfter(60_000)]],
  ["cut more often than is tried without progress", [1, 2, 3, 4, 5, 6, 7, 8].map(cutAfter)],
  ["a Content-Length too long, after which all is there", [length(bytes.length + 9)]],
  ["a Content-Length too short", [length(5_000)]],
  [
    "a part that is shorter than what was asked for",
    [
      cutAfter(10_000),
      (_s, r) =>
        reply(
          r,
          206,
          { "content-range": `bytes 10000-19999/${bytes.length}` },
          bytes.subarray(10_000, 20_000),
        ),
    ],
  ],
  [
    "cut, then parts of which nobody says of how much",
    [
      cutAfter(10_000),
      (_s, r) => reply(r, 206, { "content-range": "bytes 10000-99999/*" }, bytes.subarray(10_000)),
    ],
  ],
  ["cut, then 429 and other troubles", [cutAfter(10), status(429), status(502)]],
  [
    "cut, then a Range ignored",
    [cutAfter(30_000), (_s, r) => reply(r, 200, { "content-length": `${bytes.length}` }, bytes)],
  ],
];
for (const [name, first] of mended) {
  test(`read: ${name}: arrives whole`, async () => {
    await using registry = await peer(atFirst(...first));
    await using store = registry.open();
    assert.equal(Buffer.compare(await read(store), bytes), 0);
    assert.equal(Buffer.compare(await read(store, 99_999), bytes.subarray(99_999)), 0);
    assert.equal((await read(store, 100_000)).length, 0);
  });
}

const endless: Behaviour = (_seen, response) => {
  const more = (): void => {
    while (!response.destroyed && response.write(bytes));
    if (!response.destroyed) response.once("drain", more);
  };
  response.writeHead(200);
  more();
};
const failures: readonly [string, Behaviour, string][] = [
  ["other bytes", (_s, r) => reply(r, 200, {}, someBytes(100_000, 2)), "digest-mismatch"],
  ["fewer bytes", (_s, r) => reply(r, 200, {}, bytes.subarray(1)), "size-mismatch"],
  ["more bytes", (_s, r) => reply(r, 200, {}, Buffer.concat([bytes, bytes])), "size-mismatch"],
  ["endless bytes", endless, "size-mismatch"],
  ["cut without progress, each time", cutAfter(0), "registry-unreachable"],
  ["never an answer", cut, "registry-unreachable"],
  ["silence", () => {}, "registry-unreachable"],
  ["404", (_s, r) => refuse(r, 404, "BLOB_UNKNOWN"), "not-found"],
  ["403", (_s, r) => refuse(r, 403, "DENIED"), "denied"],
  ["500 each time", status(500), "registry-error"],
  ["429 each time", status(429), "rate-limited"],
  ["429 for an hour", status(429, { "retry-after": "3600" }), "rate-limited"],
  ["a status that is none of HTTP's", status(299), "registry-error"],
  ["a redirect without an end", (s, r) => reply(r, 302, { location: s.path }), "redirect-refused"],
];
for (const [name, behave, code] of failures) {
  test(`read: ${name}: ${code}`, async () => {
    await using registry = await peer(behave);
    await using store = registry.open({ idleTimeout: 100, retry: { attempts: 3, delay: 1 } });
    assert.equal(await codeOf(read(store)), code);
    assert.ok(registry.seen.length <= 11);
  });
}

for (const range of [
  "bytes 0-9/10",
  "bytes 50-99999/200000",
  "bytes 51-99999/100000",
  "50-99999",
  undefined,
]) {
  test(`read: a part that is not what was asked for is refused: ${range}`, async () => {
    await using registry = await peer((_seen, response) =>
      reply(response, 206, range === undefined ? {} : { "content-range": range }, bytes),
    );
    assert.equal(await codeOf(read(registry.open(), 50)), "registry-error");
  });
}

test("read: a registry whose copy ends early is tried again, but not for ever", async () => {
  await using registry = await peer((seen, response) =>
    rangeOf(seen) === undefined ? reply(response, 200, {}, bytes.subarray(0, 70_000)) : reply(response, 416),
  );
  assert.equal(await codeOf(read(registry.open())), "size-mismatch");
  assert.equal(registry.seen.length, 4);
});

test("read: where a registry knows no ranges, no more is fetched again than is worth it", async () => {
  const size = 20 * 1024 * 1024;
  const chunk = Buffer.alloc(1024 * 1024);
  let sent = 0;
  let cuts = 0;
  await using registry = await peer(async (_seen, response, socket) => {
    const end = Math.min(size, (++cuts * size) / 8);
    response.writeHead(200, { "content-length": size });
    for (let at = 0; at < end; at += chunk.length) {
      sent += chunk.length;
      await new Promise<void>((resolve) => response.write(chunk, () => resolve()));
    }
    socket.destroy();
  });
  const large = { ...d, size };
  const all = collect(registry.open().read(large, call), size, "it");
  assert.equal(await codeOf(all), "registry-unreachable");
  assert.ok(sent < 3 * size, `${sent}`);
});

test("read: users are told which registry asks them to wait, once for all that wait", async () => {
  const said: string[] = [];
  const gone = new AbortController();
  await using registry = await peer(status(429, { "retry-after": "30" }));
  const progress = {
    ...silent,
    say(sentence: string) {
      said.push(sentence);
      setImmediate(() => gone.abort());
    },
  };
  const store = registry.open();
  const waiting = [0, 1, 2].map(() =>
    collect(store.read(d, { signal: gone.signal, progress }), 1 << 24, "it"),
  );
  for (const one of await Promise.allSettled(waiting)) assert.equal(one.status, "rejected");
  assert.equal(said.length, 1);
  assert.match(said[0] ?? "", new RegExp(`^${registry.host} asks to wait 31 s \\(its rate limit`));
});

test("read: giving up half-way closes the connection", async () => {
  let closed = 0;
  await using registry = await peer((_seen, response) => {
    response.on("close", () => closed++);
    endless(_seen, response, response.req.socket);
  });
  for await (const _ of registry.open().read(d, call)) break;
  while (closed === 0) await new Promise(setImmediate);
});

// --- manifests

const manifest = Buffer.from(`{"mediaType":"${MediaType.manifest}","layers":[]}`);
const m = { mediaType: MediaType.manifest, digest: digestOf(manifest), size: manifest.length };
const asManifest = { "content-type": m.mediaType, "docker-content-digest": m.digest };

const resolvers: readonly [string, Behaviour, number][] = [
  [
    "by HEAD alone",
    (s, r) =>
      reply(r, 200, { ...asManifest, "content-length": `${m.size}` }, s.method === "HEAD" ? "" : manifest),
    1,
  ],
  [
    "by GET, where HEAD is not allowed",
    (s, r) => reply(r, s.method === "HEAD" ? 405 : 200, asManifest, manifest),
    2,
  ],
  [
    "by GET, where HEAD says too little",
    (_s, r) => reply(r, 200, { "content-type": "application/json" }, manifest),
    2,
  ],
];
for (const [name, behave, asked] of resolvers) {
  test(`resolve: ${name}`, async () => {
    await using registry = await peer(behave);
    assert.deepEqual(await registry.open().resolve("v1", call), m);
    assert.equal(registry.seen.length, asked);
    assert.equal(registry.seen[0]?.path, "/v2/a/b/manifests/v1");
    assert.match(registry.seen[0]?.headers.accept ?? "", /vnd\.oci\.image\.index.*docker.*manifest\.v2/);
  });
}

const other = digestOf(Buffer.from("other"));
const manifestFailures: readonly [string, string, Behaviour, string][] = [
  [
    "another digest in the header",
    "v1",
    (_s, r) => reply(r, 200, { "docker-content-digest": other }, manifest),
    "digest-mismatch",
  ],
  [
    "another manifest than the digest's",
    other,
    (_s, r) => reply(r, 200, asManifest, manifest),
    "digest-mismatch",
  ],
  [
    "a manifest that is too large",
    "v1",
    (_s, r) => reply(r, 200, {}, Buffer.alloc(MANIFEST_LIMIT + 1)),
    "too-large",
  ],
  ["no media type", "v1", (_s, r) => reply(r, 200, {}, "{}"), "registry-error"],
  ["404", "v1", (_s, r) => refuse(r, 404, "MANIFEST_UNKNOWN"), "not-found"],
];
for (const [name, wanted, behave, code] of manifestFailures) {
  test(`resolve: ${name}: ${code}`, async () => {
    await using registry = await peer((seen, response, socket) =>
      seen.method === "HEAD"
        ? reply(response, code === "not-found" ? 404 : 200)
        : behave(seen, response, socket),
    );
    assert.equal(await codeOf(registry.open().resolve(wanted, call)), code);
  });
}

test("a registry that is not there is named, with what to do", async () => {
  const registry = await peer(() => {});
  await registry[Symbol.asyncDispose]();
  const store = openRemote(
    { registry: registry.host, repository: "a/b" },
    { retry: { attempts: 2, delay: 1 } },
  );
  await assert.rejects(store.resolve("v1", call), {
    code: "registry-unreachable",
    message: `cannot talk to ${registry.host}: nothing listens at ${registry.host}`,
  });
});

test("what is neither tag nor digest asks the registry for nothing", async () => {
  let asked = 0;
  await using registry = await peer((_seen, response) => {
    asked++;
    reply(response, 200, {}, "{}");
  });
  const store = registry.open();
  for (const name of ["../../_catalog", "..", "a/b", "v1?x=1", ""]) {
    assert.equal(await codeOf(store.resolve(name, call)), "reference-invalid", name);
    assert.equal(
      await codeOf(async () => await store.can.delete?.untag(name, call)),
      "reference-invalid",
      name,
    );
  }
  assert.equal(asked, 0);
});

// --- tags and deletes

test("tags: all pages, in order", async () => {
  await using registry = await peer((seen, response) => {
    const last = new URL(seen.path, "http://x").searchParams.get("last");
    const link = '</v2/a/b/tags/list?n=2&last=c>; rel="next"';
    if (last === null) reply(response, 200, { link }, '{"name":"a/b","tags":["b","c"]}');
    else reply(response, 200, {}, '{"tags":["a","Z"]}');
  });
  assert.deepEqual(await gather(registry.open().can.tags?.list(call)), ["Z", "a", "b", "c"]);
});

const pages: readonly [string, Record<string, string>, string, string][] = [
  [
    "the next page elsewhere",
    { link: '<http://evil.example/>; rel="next"' },
    '{"tags":[]}',
    "registry-error",
  ],
  ["a circle", { link: '<?n=1000>; rel="next"' }, '{"tags":[]}', "registry-error"],
  ["not JSON", {}, "<html>", "registry-error"],
  ["not tags", {}, '{"tags":["ok","\\u001b[31m"]}', "registry-error"],
  ["tags that are no list", {}, '{"tags":{}}', "registry-error"],
];
for (const [name, headers, body, code] of pages) {
  test(`tags: ${name}: ${code}`, async () => {
    await using registry = await peer((_seen, response) => reply(response, 200, headers, body));
    assert.equal(await codeOf(gather(registry.open().can.tags?.list(call))), code);
  });
}

test("tags: more than any repository has, on pages that have no end: registry-error", async () => {
  let page = 0;
  await using registry = await peer((_seen, response) => {
    const first = page++ * 300_000;
    const tags = Array.from({ length: 300_000 }, (_, i) => (first + i).toString(36));
    reply(response, 200, { link: `<?last=${page}>; rel="next"` }, JSON.stringify({ tags }));
  });
  assert.equal(await codeOf(gather(registry.open().can.tags?.list(call))), "registry-error");
  assert.equal(page, 4);
});

test("tags: none", async () => {
  await using registry = await peer((_seen, response) => reply(response, 200, {}, '{"tags":null}'));
  assert.deepEqual(await gather(registry.open().can.tags?.list(call)), []);
});

test("delete: not every registry lets you", async () => {
  for (const code of [405, 400]) {
    await using registry = await peer((_seen, response) => refuse(response, code, "UNSUPPORTED"));
    const { delete: deletes } = registry.open().can;
    assert.equal(await codeOf(Promise.resolve(deletes?.untag("v1", call))), "unsupported");
    assert.equal(await codeOf(Promise.resolve(deletes?.delete(d, call))), "unsupported");
    assert.deepEqual(
      registry.seen.map((s) => `${s.method} ${s.path}`),
      ["DELETE /v2/a/b/manifests/v1", `DELETE /v2/a/b/blobs/${d.digest}`],
    );
  }
});

test("mount: 201 is taken, 202 is none; another registry's is not asked for", async () => {
  await using registry = await peer((seen, response) => {
    if (seen.path.includes("from=x%2Fy")) return reply(response, 201);
    if (seen.method === "POST") return reply(response, 202, { location: "/up/1" });
    reply(response, 204);
  });
  await using store = registry.open();
  const from = (repository: string, host = registry.host): Store =>
    openRemote({ registry: host, repository }, registry.options);
  const { mount } = store.can;
  assert.equal(await mount?.mount(d, from("x/y"), call), true);
  assert.equal(await mount?.mount(d, from("x/z"), call), false);
  assert.equal(await mount?.mount(d, from("x/y", "localhost:1"), call), false);
  assert.deepEqual(
    registry.seen.map((s) => `${s.method} ${s.path}`),
    ["x%2Fy", "x%2Fz"].map(
      (name) => `POST /v2/a/b/blobs/uploads/?mount=${encodeURIComponent(d.digest)}&from=${name}`,
    ),
  );
});

test("a tag of what was just pushed is not read back; of anything else it is", async () => {
  await using registry = await peer((seen, response) => {
    if (seen.method === "PUT") return reply(response, 201, { "docker-content-digest": m.digest });
    reply(response, 200, asManifest, manifest);
  });
  const store = registry.open();
  await store.put(m, fromBytes(manifest), call);
  await store.tag("v1", m, call);
  await using second = registry.open();
  await second.tag("v2", m, call);
  assert.deepEqual(
    registry.seen.map((s) => `${s.method} ${s.path.split("/").at(-1)} ${s.headers["content-type"]}`),
    [
      `PUT ${m.digest} ${m.mediaType}`,
      `PUT v1 ${m.mediaType}`,
      `GET ${m.digest} undefined`,
      `PUT v2 ${m.mediaType}`,
    ],
  );
  assert.ok(registry.seen.filter((s) => s.method === "PUT").every((s) => s.body.equals(manifest)));
});
