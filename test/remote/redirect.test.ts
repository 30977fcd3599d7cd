import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, fromBytes, Network, type NetworkOptions, quietCall } from "../../src/base/index.ts";
import { digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { certificate, key } from "../base/tls-fixture.ts";
import { codeOf } from "../contract/store.ts";

const call = quietCall();
const blob = Buffer.from("content");
const d = { mediaType: MediaType.layerTar, digest: digestOf(blob), size: blob.length };

interface Registry extends AsyncDisposable {
  readonly port: number;
  /** `METHOD path authorization` of each request. */
  readonly seen: string[];
  readonly store: Store;
}

/** An HTTPS registry by the name registry.example. All names lead to this machine; where `publicly`, that is the internet. */
async function registry(
  behave: (path: string, port: number, authorized: boolean) => [number, Record<string, string>],
  network: NetworkOptions = {},
): Promise<Registry> {
  const seen: string[] = [];
  const server = https.createServer({ cert: certificate, key }, (req, res) => {
    req.resume();
    const { authorization } = req.headers;
    seen.push(`${req.method} ${req.url} ${authorization}`);
    const { port } = server.address() as AddressInfo;
    const [status, headers] = behave(req.url ?? "", port, authorization !== undefined);
    res.writeHead(status, headers);
    res.end(status === 200 && req.method !== "HEAD" ? blob : undefined);
  });
  server.listen(0, "127.0.0.2");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), "imgvol-registry-"));
  const file = join(folder, "ca.pem");
  await writeFile(file, certificate);
  const net = new Network({
    env: { SSL_CERT_FILE: file },
    lookup: (name, options, done) => {
      const address = name.endsWith("inside.example") ? "127.0.0.1" : "127.0.0.2";
      if (options.all) done(null, [{ address, family: 4 }]);
      else done(null, address, 4);
    },
    ...network,
  });
  const user = { kind: "password", username: "me", password: "secret" } as const;
  const store = openRemote(
    { registry: `registry.example:${port}`, repository: "a/b" },
    { network: net, credentials: { get: async () => user }, retry: { attempts: 2, delay: 1 } },
  );
  return {
    port,
    seen,
    store,
    async [Symbol.asyncDispose]() {
      net[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Something on the inside that must not be reached. */
async function inside(): Promise<{ port: number; reached: number } & AsyncDisposable> {
  const server = http.createServer((_req, res) => {
    state.reached++;
    res.end("secret");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const state = {
    port: (server.address() as AddressInfo).port,
    reached: 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return state;
}

const publicly: NetworkOptions = { isPrivate: (address) => address !== "127.0.0.2" };
const read = (store: Store): Promise<unknown> => collect(store.read(d, call), 100, "it");
const push = (store: Store): Promise<unknown> => store.put(d, fromBytes(blob), call);

const attacks: readonly [
  string,
  (port: number) => [number, Record<string, string>],
  (s: Store) => Promise<unknown>,
  string,
][] = [
  [
    "a blob's redirect to plain http",
    (p) => [307, { location: `http://127.0.0.1:${p}/` }],
    read,
    "redirect-refused",
  ],
  [
    "a blob's redirect to a private address",
    (p) => [307, { location: `https://127.0.0.1:${p}/` }],
    read,
    "redirect-refused",
  ],
  [
    "a blob's redirect to a private name",
    (p) => [307, { location: `https://inside.example:${p}/` }],
    read,
    "redirect-refused",
  ],
  [
    "an upload's Location in plain http",
    (p) => [202, { location: `http://127.0.0.1:${p}/` }],
    push,
    "registry-error",
  ],
  [
    "an upload's Location at a private address",
    (p) => [202, { location: `https://127.0.0.1:${p}/` }],
    push,
    "redirect-refused",
  ],
  [
    "an upload's Location at a private name",
    (p) => [202, { location: `https://inside.example:${p}/` }],
    push,
    "redirect-refused",
  ],
  [
    "an upload's Location of another scheme",
    () => [202, { location: "file:///etc/passwd" }],
    push,
    "registry-error",
  ],
  [
    "a token server in plain http",
    (p) => [401, { "www-authenticate": `Bearer realm="http://registry.example:${p}/"` }],
    read,
    "realm-refused",
  ],
  [
    "a token server at a private address",
    (p) => [401, { "www-authenticate": `Bearer realm="https://127.0.0.1:${p}/"` }],
    read,
    "realm-refused",
  ],
  [
    "a token server at a private name",
    (p) => [401, { "www-authenticate": `Bearer realm="https://inside.example:${p}/"` }],
    read,
    "realm-refused",
  ],
];
for (const [name, answer, act, code] of attacks) {
  test(`refused: ${name}`, async () => {
    await using target = await inside();
    await using attacker = await registry(() => answer(target.port), publicly);
    assert.equal(await codeOf(act(attacker.store)), code);
    assert.equal(target.reached, 0);
    assert.ok(
      attacker.seen.every((s) => s.endsWith(" undefined")),
      attacker.seen.join(),
    );
  });
}

test("a Location that believes in plain http is asked in https, with the credentials of its host", async () => {
  await using behind = await registry((path, port, authorized) => {
    if (!authorized) return [401, { "www-authenticate": "Basic realm=x" }];
    if (path.includes("/uploads/")) return [202, { location: `http://registry.example:${port}/up` }];
    return [201, {}];
  });
  await push(behind.store);
  assert.match(behind.seen.at(-1) ?? "", /^PUT \/up\?digest=\S+ Basic /);
});

test("a private registry may send its friends around inside", async () => {
  await using own = await registry((path, port) =>
    path === "/blob" ? [200, {}] : [307, { location: `https://other.example:${port}/blob` }],
  );
  assert.equal(Buffer.from((await read(own.store)) as Uint8Array).toString(), "content");
});
