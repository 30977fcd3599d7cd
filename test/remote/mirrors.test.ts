import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Call, collect, fromBytes, quietCall, silent, temporaryFolder } from "../../src/base/index.ts";
import { configuredHosts, type HostsProvider } from "../../src/hosts/index.ts";
import { type Descriptor, digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { type Behaviour, type Peer, peer, refuse, reply, type Seen } from "./peer.ts";

const blob = Buffer.alloc(2_000_000, "volume");
const layer: Descriptor = { mediaType: MediaType.layerTar, digest: digestOf(blob), size: blob.length };
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest }));
const named: Descriptor = {
  mediaType: MediaType.manifest,
  digest: digestOf(manifest),
  size: manifest.length,
};

/** A registry that has one blob and one manifest, by tag `v1` too. */
function has(seen: Seen, response: ServerResponse): void {
  const path = seen.path.split("?")[0] ?? "";
  const body = path.endsWith(layer.digest)
    ? blob
    : path.endsWith(named.digest) || path.endsWith("/v1")
      ? manifest
      : undefined;
  if (body === undefined) {
    refuse(response, 404, "NOT_FOUND");
    return;
  }
  const from = Number(/^bytes=(\d+)-\d+$/.exec(seen.headers.range ?? "")?.[1] ?? 0);
  const headers = {
    "content-length": String(body.length - from),
    ...(body === manifest ? { "content-type": named.mediaType, "docker-content-digest": named.digest } : {}),
    ...(from > 0 ? { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
  };
  reply(response, from > 0 ? 206 : 200, headers, seen.method === "HEAD" ? "" : body.subarray(from));
}

interface Pair extends AsyncDisposable {
  readonly mirror: Peer;
  readonly server: Peer;
  readonly store: Store;
  readonly said: string[];
  readonly call: Call;
}

/** A registry and its mirror, as a hosts.toml says. */
async function mirrored(
  mirrorDoes: Behaviour,
  more: { fields?: string; options?: RemoteOptions; server?: Behaviour } = {},
): Promise<Pair> {
  const mirror = await peer(mirrorDoes);
  const server = await peer(more.server ?? has);
  const folder = await temporaryFolder(tmpdir(), "imgvol-mirrors-");
  await mkdir(join(folder.path, server.host));
  await writeFile(
    join(folder.path, server.host, "hosts.toml"),
    `server = "${server.url}"\n[host."${mirror.url}"]\n${more.fields ?? 'capabilities = ["pull", "resolve"]'}\n`,
  );
  const hosts = configuredHosts({ IMGVOL_HOSTS_DIR: folder.path });
  const said: string[] = [];
  return {
    mirror,
    server,
    said,
    call: {
      signal: new AbortController().signal,
      progress: { ...silent, say: (sentence) => void said.push(sentence) },
    },
    store: server.open({ hosts, ...more.options }),
    async [Symbol.asyncDispose]() {
      await mirror[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function read(store: Store, d: Descriptor, call: Call): Promise<Buffer> {
  return Buffer.from(await collect(store.read(d, call), 3_000_000, "it"));
}

function requests(at: Peer): string[] {
  return at.seen.map((s) => `${s.method} ${s.path}`);
}

test("a mirror is asked first, and told whose content is meant; the registry itself then is not asked", async () => {
  await using pair = await mirrored(has);
  const { store, call, mirror, server } = pair;
  assert.deepEqual(await store.resolve("v1", call), named);
  assert.deepEqual(await read(store, named, call), manifest);
  assert.deepEqual(await read(store, layer, call), blob);
  assert.deepEqual(await store.can.stat?.blob(layer.digest, call), {
    ...layer,
    mediaType: "application/octet-stream",
  });
  const ns = `?ns=${encodeURIComponent(server.host)}`;
  assert.deepEqual(requests(mirror), [
    `HEAD /v2/a/b/manifests/v1${ns}`,
    `GET /v2/a/b/manifests/${named.digest}${ns}`,
    `GET /v2/a/b/blobs/${layer.digest}${ns}`,
    `HEAD /v2/a/b/blobs/${layer.digest}${ns}`,
  ]);
  assert.deepEqual(server.seen, []);
  assert.deepEqual(pair.said, []);
});

const failing: readonly [what: string, does: Behaviour][] = [
  ["does not have it", (_s, response) => refuse(response, 404, "NAME_UNKNOWN")],
  ["is down", (_s, _r, socket: Socket) => void socket.destroy()],
  ["fails", (_s, response) => refuse(response, 500, "UNKNOWN")],
  ["wants patience", (_s, response) => reply(response, 429, { "retry-after": "3600" })],
  ["lets nobody in", (_s, response) => refuse(response, 401, "UNAUTHORIZED")],
  ["forbids it", (_s, response) => refuse(response, 403, "DENIED")],
  ["is no registry", (_s, response) => reply(response, 302, { location: "ftp://x.example/" })],
];
for (const [what, does] of failing) {
  test(`a mirror that ${what}: the next is asked, and that is told once`, async () => {
    await using pair = await mirrored(does);
    const { store, call } = pair;
    assert.deepEqual(await store.resolve("v1", call), named);
    assert.deepEqual(await read(store, layer, call), blob);
    assert.equal(pair.said.length, 1, pair.said.join("\n"));
    for (const sentence of pair.said) assert.ok(sentence.startsWith(`${pair.mirror.host} is passed over`));
  });
}

test("files are read when a store is first used, and again where they were wrong then", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-mirrors-");
  await using server = await peer(has);
  const file = join(folder.path, server.host, "hosts.toml");
  await mkdir(join(folder.path, server.host));
  await writeFile(file, "server = 1");
  let times = 0;
  const files = configuredHosts({ IMGVOL_HOSTS_DIR: folder.path });
  const hosts: HostsProvider = {
    endpoints(registry, plainHttp) {
      times++;
      return files.endpoints(registry, plainHttp);
    },
  };
  await server.open({ hosts })[Symbol.asyncDispose]();
  assert.equal(times, 0);
  await using store = server.open({ hosts });
  await assert.rejects(store.resolve("v1", quietCall()), { code: "hosts-invalid" });
  await writeFile(file, `server = "${server.url}"`);
  assert.deepEqual(await store.resolve("v1", quietCall()), named);
  assert.equal(times, 2);
});

test("where all fail, the error is the registry's own", async () => {
  await using pair = await mirrored((_s, response) => refuse(response, 500, "UNKNOWN"), {
    server: (_s, response) => refuse(response, 404, "MANIFEST_UNKNOWN"),
  });
  await assert.rejects(pair.store.resolve("v1", pair.call), {
    code: "not-found",
    message: new RegExp(pair.server.host),
  });
});

test("a mirror that breaks off: the registry gives the rest, from where it broke", async () => {
  const does: Behaviour = (seen, response, socket) => {
    if (seen.headers.range !== undefined) return void socket.destroy();
    response.writeHead(200, { "content-length": String(blob.length) });
    response.write(blob.subarray(0, 100_000), () => socket.destroy());
  };
  await using pair = await mirrored(does);
  assert.deepEqual(await read(pair.store, layer, pair.call), blob);
  const [rest] = pair.server.seen;
  assert.ok(Number(/^bytes=(\d+)-\d+$/.exec(rest?.headers.range ?? "")?.[1]) > 0, rest?.headers.range);
});

test("a mirror that changes content is found out, and named", async () => {
  const other = Buffer.alloc(blob.length, "forged");
  await using pair = await mirrored((_s, response) =>
    reply(response, 200, { "content-length": String(other.length) }, other),
  );
  await assert.rejects(read(pair.store, layer, pair.call), {
    code: "digest-mismatch",
    message: new RegExp(`as ${pair.mirror.host} gives it: the content is sha256:`),
  });
});

test("a mirror that may not resolve is not asked what a tag names, but for what a digest does", async () => {
  await using pair = await mirrored(has, { fields: 'capabilities = ["pull"]' });
  const { store, call } = pair;
  await store.resolve("v1", call);
  await store.resolve(named.digest, call);
  assert.deepEqual(requests(pair.server), ["HEAD /v2/a/b/manifests/v1"]);
  assert.deepEqual(
    pair.mirror.seen.map((s) => s.method),
    ["HEAD", "GET"],
  );
});

test("pushes, deletes, and whether they are needed, are for the registry itself", async () => {
  const takes: Behaviour = (seen, response) => {
    if (seen.method === "HEAD") return refuse(response, 404, "BLOB_UNKNOWN");
    if (seen.method === "GET") return has(seen, response);
    if (seen.method === "POST") return reply(response, 202, { location: "/up/1" });
    reply(response, seen.method === "DELETE" ? 202 : 201);
  };
  await using pair = await mirrored(has, { server: takes });
  const { store, call } = pair;
  assert.equal(await store.has(layer, call), false);
  await store.put(layer, fromBytes(blob), call);
  await store.put(named, fromBytes(manifest), call);
  await store.tag("v2", named, call);
  await store.can.delete?.delete(named, call);
  assert.deepEqual(pair.mirror.seen, []);
});

test("where nobody takes pushes, that is said", async () => {
  await using pair = await mirrored(has, { fields: 'capabilities = ["pull"]' });
  const folder = await temporaryFolder(tmpdir(), "imgvol-mirrors-");
  await mkdir(join(folder.path, "_default"));
  await writeFile(
    join(folder.path, "_default", "hosts.toml"),
    `server = "${pair.mirror.url}"\ncapabilities = ["pull"]`,
  );
  const hosts = configuredHosts({ IMGVOL_HOSTS_DIR: folder.path });
  const store = openRemote({ registry: "x.example", repository: "a/b" }, { ...pair.mirror.options, hosts });
  await assert.rejects(store.put(layer, fromBytes(blob), pair.call), {
    code: "unsupported",
    hint: /"push"/,
  });
  await assert.rejects(store.resolve("v1", pair.call), { code: "unsupported", hint: /"resolve"/ });
  await folder[Symbol.asyncDispose]();
});

test("what is sent to a host alone stays there when it leads elsewhere", async () => {
  await using store = await peer(has);
  await using pair = await mirrored(
    (seen, response) => reply(response, 307, { location: store.url + seen.path }),
    {
      fields: 'capabilities = ["pull"]\nheader = { authorization = "Bearer secret", x-team = "secret" }',
    },
  );
  assert.deepEqual(await read(pair.store, layer, pair.call), blob);
  const [sent] = pair.mirror.seen;
  const [led] = store.seen;
  assert.deepEqual([sent?.headers.authorization, sent?.headers["x-team"]], ["Bearer secret", "secret"]);
  assert.deepEqual([led?.headers.authorization, led?.headers["x-team"]], [undefined, undefined]);
  assert.deepEqual(pair.server.seen, []);
});

test("credentials and headers are for their own host alone", async () => {
  const basic = (user: string): string => `Basic ${Buffer.from(`${user}:pw-${user}`).toString("base64")}`;
  const wants: Behaviour = (seen, response) => {
    if (seen.headers.authorization === undefined)
      return reply(response, 401, { "www-authenticate": 'Basic realm="x"' });
    refuse(response, 404, "MANIFEST_UNKNOWN");
  };
  const wanting: Behaviour = (seen, response, socket) =>
    seen.headers.authorization === undefined ? wants(seen, response, socket) : has(seen, response);
  const asked: string[] = [];
  await using pair = await mirrored(wants, {
    server: wanting,
    fields: 'capabilities = ["pull", "resolve"]\nheader = { x-team = "secret" }',
    options: {
      credentials: {
        async get(registry) {
          asked.push(registry);
          const username = registry === pair.mirror.host ? "mirror" : "server";
          return { kind: "password", username, password: `pw-${username}` };
        },
      },
    },
  });
  assert.deepEqual(await pair.store.resolve("v1", pair.call), named);
  const sent = (at: Peer): string[] => [...new Set(at.seen.map((s) => s.headers.authorization ?? ""))];
  assert.deepEqual(sent(pair.mirror), ["", basic("mirror")]);
  assert.deepEqual(sent(pair.server), ["", basic("server")]);
  assert.deepEqual(asked, [pair.mirror.host, pair.server.host]);
  assert.ok(pair.mirror.seen.every((s) => s.headers["x-team"] === "secret"));
  assert.ok(pair.server.seen.every((s) => s.headers["x-team"] === undefined));
});

test("files that change are seen by who keeps on asking; where they are wrong meanwhile, what they said before counts", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-mirrors-");
  await using mirror = await peer(has);
  await using server = await peer(has);
  const file = join(folder.path, server.host, "hosts.toml");
  await mkdir(join(folder.path, server.host));
  const told: string[] = [];
  const options: RemoteOptions = {
    ...server.options,
    hosts: { ...configuredHosts({ IMGVOL_HOSTS_DIR: folder.path }), believed: 0 },
    tell: ({ code }) => void told.push(code),
  };
  /** A store for each request, as servers open them. */
  const asked = async (): Promise<string[]> => {
    await using store = openRemote({ registry: server.host, repository: "a/b" }, options);
    await store.resolve("v1", quietCall());
    const by = [mirror, server].filter((at) => at.seen.length > 0).map(({ host }) => host);
    for (const at of [mirror, server]) at.seen.length = 0;
    return by;
  };
  const mirrors = `server = "${server.url}"\n[host."${mirror.url}"]\ncapabilities = ["pull", "resolve"]`;
  const steps: readonly [text: string, by: string, findings: number][] = [
    [`server = "${server.url}"`, server.host, 0],
    [mirrors, mirror.host, 0],
    ["server = 1", mirror.host, 1],
    ["server = 1", mirror.host, 1],
    [`server = "${server.url}"`, server.host, 1],
    ["server = 1", server.host, 2],
  ];
  for (const [text, by, findings] of steps) {
    await writeFile(file, text);
    assert.deepEqual(await asked(), [by], text);
    assert.equal(told.length, findings, text);
  }
  assert.deepEqual(new Set(told), new Set(["hosts-invalid"]));
});
