import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { digestOf, MANIFEST_LIMIT, MediaType } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { codeOf } from "../contract/store.ts";
import { type Behaviour, peer, refuse, reply } from "./peer.ts";

const call = quietCall();
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

test("resolve: a manifest whose answer is cut is asked for again", async () => {
  let asked = 0;
  await using registry = await peer((seen, response, socket) => {
    if (seen.method === "HEAD") return reply(response, 405);
    if (asked++ > 0) return reply(response, 200, asManifest, manifest);
    response.writeHead(200, { ...asManifest, "content-length": m.size });
    response.write(manifest.subarray(0, 5), () => socket.destroy());
  });
  assert.deepEqual(await registry.open().resolve("v1", call), m);
});

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
    reply(response, 201, { "docker-content-digest": other }),
  );
  assert.equal(await codeOf(registry.open().put(m, fromBytes(manifest), call)), "digest-mismatch");
});

test("why a manifest is refused is asked for once where a HEAD could not say it", async () => {
  await using down = await peer((seen, response) => {
    if (seen.method === "HEAD") reply(response, 502);
    else refuse(response, 502, "UNKNOWN", "upstream.example is down");
  });
  await using store = down.open({ retry: { attempts: 2, delay: 1 } });
  await assert.rejects(store.resolve("v1", call), {
    code: "registry-error",
    message: /502 \(UNKNOWN: upstream\.example is down\)$/,
  });
  assert.deepEqual(
    down.seen.map(({ method }) => method),
    ["HEAD", "HEAD", "GET"],
  );
});
