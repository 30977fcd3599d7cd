import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import type { Credentials } from "../../src/auth/index.ts";
import { collect, Network, request } from "../../src/base/index.ts";
import type { Store } from "../../src/oci/index.ts";
import { folderBacking } from "../../src/registry/index.ts";
import { codeOf, layerOf, someBytes } from "../contract/store.ts";
import { type Behaviour, peer, refuse, reply, type Seen } from "../remote/peer.ts";
import { call, folder, watched } from "./watched.ts";

const bytes = someBytes(2_000_000, 7);
const layer = layerOf(bytes);

/** An upstream that says how large its blob is, and gives it as `give` does. */
function upstreamWith(give: (response: ServerResponse, seen: Seen) => void, size = bytes.length): Behaviour {
  return (seen, response) => {
    if (!seen.path.startsWith("/v2/a/b/blobs/")) return void refuse(response, 404, "NAME_UNKNOWN");
    if (seen.method === "HEAD") return void reply(response, 200, { "content-length": String(size) });
    give(response, seen);
  };
}

async function read(store: Store, from = 0): Promise<Buffer> {
  return Buffer.from(await collect(store.read(layer, call, from), 64 * 1024 * 1024, "it"));
}

function gets(seen: readonly Seen[]): number {
  return seen.filter((s) => s.method === "GET").length;
}

/** Gives the first half at once, and the rest when it is let go. */
function halting(): { give: (response: ServerResponse) => void; go: () => void; begun: Promise<void> } {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  return {
    begun: begun.promise,
    go: gate.resolve,
    give(response) {
      response.writeHead(200, { "content-length": String(bytes.length) });
      response.write(bytes.subarray(0, 1_000_000), () => begun.resolve());
      void gate.promise.then(() => response.end(bytes.subarray(1_000_000)));
    },
  };
}

test("many clients, one transfer: each has the first bytes before the last have come", async () => {
  const { give, go } = halting();
  await using upstream = await peer(upstreamWith(give));
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const clients = Array.from({ length: 12 }, async () => {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of mirror.open("a/b").read(layer, call)) {
      chunks.push(Buffer.from(chunk));
      size += chunk.length;
      if (size >= 900_000) half();
    }
    return Buffer.concat(chunks);
  });
  let waiting = clients.length * 1;
  const all = Promise.withResolvers<void>();
  const told = new Set<number>();
  function half(): void {
    if (told.size < clients.length) told.add(waiting--);
    if (waiting === 0) all.resolve();
  }
  await all.promise;
  go();
  for (const got of await Promise.all(clients)) assert.ok(got.equals(bytes));
  assert.equal(gets(upstream.seen), 1);
});

test("a client that goes away ends nothing for the others, nor for those who come later", async () => {
  const { give, go } = halting();
  await using upstream = await peer(upstreamWith(give));
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const leaving = new AbortController();
  const gone = (async () => {
    for await (const _ of mirror.open("a/b").read(layer, { signal: leaving.signal })) leaving.abort();
  })();
  assert.equal(await codeOf(gone), "aborted");
  go();
  assert.ok((await read(mirror.open("a/b"))).equals(bytes));
  assert.equal(gets(upstream.seen), 1);
});

test("wrong bytes are cut off before their end, and nothing of them stays", async () => {
  await using at = await folder();
  const forged = someBytes(bytes.length, 8);
  let lie = true;
  await using upstream = await peer(
    upstreamWith((response) =>
      reply(response, 200, { "content-length": String(bytes.length) }, lie ? forged : bytes),
    ),
  );
  const mirroring = { dir: at.dir, mirror: { upstreams: [upstream.host] } };
  {
    await using mirror = await watched(mirroring);
    const url = new URL(`/v2/a/b/blobs/${layer.digest}`, mirror.url);
    const answer = await request({ method: "GET", url }, call);
    let size = 0;
    const whole = (async () => {
      for await (const chunk of answer.body) size += chunk.length;
    })();
    assert.equal(await codeOf(whole), "connection-failed");
    assert.ok(size < bytes.length);
    lie = false;
    assert.ok((await read(mirror.open("a/b"))).equals(bytes));
  }
  assert.deepEqual(await readdir(join(at.dir, "_uploads")), []);
  const kept = (await readdir(at.dir, { recursive: true })).filter((name) => /[0-9a-f]{64}$/.test(name));
  assert.equal(kept.length, 1);
});

test("an upstream's connection that breaks is taken up again where it broke", async () => {
  await using upstream = await peer(
    upstreamWith((response, seen) => {
      const from = Number(/^bytes=(\d+)-\d*$/.exec(seen.headers.range ?? "")?.[1] ?? 0);
      if (from === 0) {
        response.writeHead(200, { "content-length": String(bytes.length) });
        response.write(bytes.subarray(0, 800_000), () => response.destroy());
      } else {
        const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
        reply(response, 206, { "content-range": range }, bytes.subarray(from));
      }
    }),
  );
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  assert.ok((await read(mirror.open("a/b"))).equals(bytes));
  assert.ok(Number(/\d+/.exec(upstream.seen.at(-1)?.headers.range ?? "")?.[0]) > 0);
});

test("who wants the end of a large blob does not wait for its beginning", async () => {
  const large = 40 * 1024 * 1024;
  const { promise, resolve } = Promise.withResolvers<void>();
  await using upstream = await peer(
    upstreamWith((response, seen) => {
      const from = Number(/^bytes=(\d+)-\d*$/.exec(seen.headers.range ?? "")?.[1] ?? 0);
      if (from > 0) {
        const range = `bytes ${from}-${large - 1}/${large}`;
        reply(response, 206, { "content-range": range }, Buffer.alloc(large - from, 9));
      } else void promise.then(() => response.destroy());
    }, large),
  );
  await using mirror = await watched({ mirror: { upstreams: [upstream.host] } });
  const url = new URL(`/v2/a/b/blobs/${layer.digest}`, mirror.url);
  const range = `bytes=${large - 10}-${large - 1}`;
  const answer = await request({ method: "GET", url, headers: { range } }, call);
  const end = await collect(answer.body, 100, "the end");
  resolve();
  assert.deepEqual([answer.status, [...end]], [206, Array(10).fill(9)]);
});

const manifest = Buffer.from('{"schemaVersion":2,"manifests":[]}');
const index = { ...layerOf(manifest), mediaType: "application/vnd.oci.image.index.v1+json" };
const named = {
  "content-type": index.mediaType,
  "docker-content-digest": index.digest,
  "content-length": String(manifest.length),
};

const troubles: readonly [what: string, trouble: Behaviour, first: number, later: number][] = [
  ["limits us", (_s, r) => reply(r, 429, { "retry-after": "3600" }), 429, 200],
  ["fails", (_s, r) => refuse(r, 503, "UNKNOWN"), 502, 200],
  ["drops us", (_s, _r, socket) => void socket.destroy(), 502, 200],
  ["lets us in no more", (_s, r) => refuse(r, 401, "UNAUTHORIZED"), 403, 403],
  ["forbids it", (_s, r) => refuse(r, 403, "DENIED"), 403, 403],
  ["has it no more", (_s, r) => refuse(r, 404, "MANIFEST_UNKNOWN"), 404, 404],
];
for (const [what, trouble, first, later] of troubles) {
  test(`an upstream that ${what}: ${first} where nothing is here, else ${later}`, async () => {
    let well = false;
    await using upstream = await peer((seen, response, socket) => {
      if (well) reply(response, 200, named, seen.method === "HEAD" ? "" : manifest);
      else trouble(seen, response, socket);
    });
    await using mirror = await watched({ mirror: { upstreams: [upstream.host], freshFor: 0 } });
    const get = async (): Promise<{ status: number; headers: ReadonlyMap<string, string> }> => {
      const url = new URL("/v2/a/b/manifests/v1", mirror.url);
      const answer = await request({ method: "GET", url }, call);
      await collect(answer.body, 10_000, "the answer");
      return answer;
    };
    const before = await get();
    assert.equal(before.status, first);
    if (first === 429) assert.equal(before.headers.get("retry-after"), "3600");
    well = true;
    assert.equal((await get()).status, 200);
    well = false;
    const after = await get();
    assert.equal(after.status, later);
    assert.equal(after.headers.has("warning"), later === 200);
  });
}

test("whose password an upstream refuses, and where it lies, the operator is told; clients are not", async () => {
  await using upstream = await peer((_seen, response) => {
    reply(response, 401, { "www-authenticate": 'Basic realm="r"' });
  });
  const network = new Network({ env: {} });
  using _ = network;
  const get = async (): Promise<Credentials> => ({
    kind: "password",
    username: "operator",
    password: "hunter2",
    from: "/root/.docker/config.json",
  });
  const remote = { network, retry: { attempts: 1 }, credentials: { get } };
  await using mirror = await watched({ mirror: { upstreams: [upstream.host], remote } });
  for (const path of ["manifests/v1", "tags/list", `blobs/${layer.digest}`, `referrers/${layer.digest}`]) {
    mirror.said.length = 0;
    const url = new URL(`/v2/a/b/${path}`, mirror.url);
    const answer = await request({ method: "GET", url }, call);
    const body = Buffer.from(await collect(answer.body, 10_000, "the answer")).toString();
    assert.equal(answer.status, 403, path);
    assert.match(body, /the upstream does not give this mirror what was asked for/);
    assert.doesNotMatch(body, /operator"|config\.json|hunter2|login/);
    assert.match(mirror.said.join("\n"), /a\/b: .*"operator" from \/root\/\.docker\/config\.json/, path);
    assert.doesNotMatch(mirror.said.join("\n"), /hunter2/);
  }
});

test("an upstream that does not answer keeps nobody waiting for what is here", async () => {
  let silent = false;
  const { promise, resolve } = Promise.withResolvers<void>();
  await using upstream = await peer((seen, response) => {
    const answer = (): void => reply(response, 200, named, seen.method === "HEAD" ? "" : manifest);
    if (silent) void promise.then(answer);
    else answer();
  });
  await using mirror = await watched({
    mirror: { upstreams: [upstream.host], freshFor: 0, staleAfter: 1 },
  });
  assert.equal((await mirror.open("a/b").resolve("v1", call)).digest, index.digest);
  silent = true;
  assert.equal((await mirror.open("a/b").resolve("v1", call)).digest, index.digest);
  assert.ok(mirror.said.some((s) => s.includes("slow")));
  resolve();
});

test("what a mirror that was killed had begun to fetch is removed; uploads of others stay", async () => {
  await using at = await folder();
  const own = "0a0a0a0a-0000-4000-8000-000000000000";
  const other = "0b0b0b0b-0000-4000-8000-000000000000";
  {
    await using backing = await folderBacking(at.dir);
    for (const [id, name] of [
      [own, "x.example/a/b"],
      [other, "team/app"],
    ] as const) {
      const spool = await backing.spool({ id, name }, call);
      await spool.append(Buffer.from("half"));
      await spool.close();
    }
  }
  await using _mirror = await watched({ dir: at.dir, mirror: { upstreams: ["x.example"] } });
  assert.deepEqual((await readdir(join(at.dir, "_uploads"))).sort(), [other, `${other}.json`]);
});
