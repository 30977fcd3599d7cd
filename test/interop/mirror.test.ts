import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, Network, quietCall } from "../../src/base/index.ts";
import { configuredHosts } from "../../src/hosts/index.ts";
import type { Descriptor, Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { authority, client, server } from "../base/tls-authority.ts";
import { codeOf, putImage } from "../contract/store.ts";
import { crane } from "../peers/crane.ts";
import { distributionConfig, dockerRegistry, startDockerRegistry } from "../peers/docker-registry.ts";
import { programOf, run } from "../peers/program.ts";
import { type RunningRegistry, startServer } from "../peers/server.ts";

// Mirrors with registries and clients of others on either side, and TLS with a server that is not Node.js.

const call = quietCall();

interface Logged extends RunningRegistry {
  readonly folder: string;
  /** `GET /v2/…`, one line a request so far. */
  asked(): Promise<string[]>;
}

/** docker-registry with lines of configuration of ours, and its access log. */
async function registryWith(
  files: Record<string, string>,
  more: (folder: string) => string[],
): Promise<Logged> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-mirror-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const lines = distributionConfig(join(folder, "data"), more(folder)).split("\n");
  // A section that we write takes the place of the usual one.
  const own = new Set(more(folder).map((line) => line.split(":")[0]));
  const config = [...lines.filter((line) => !own.has(line.split(":")[0])), ...more(folder)].join("\n");
  await writeFile(join(folder, "config.yml"), `${config}\n`);
  const registry = await startServer(
    "/bin/sh",
    ["-c", 'exec "$0" serve config.yml > access.log', await programOf(dockerRegistry)],
    { cwd: folder, cleanUp: () => rm(folder, { recursive: true, force: true }) },
  );
  return {
    ...registry,
    folder,
    async asked() {
      const log = await readFile(join(folder, "access.log"), "utf8");
      return [...log.matchAll(/"([A-Z]+ \/v2\/[^ "]*) HTTP/g)].map(([, line = ""]) => line);
    },
  };
}

/** Options of a client for whom a registry is reached as a hosts.toml says. */
async function knowing(
  registry: string,
  files: Record<string, string>,
): Promise<{ options: RemoteOptions } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-hosts-"));
  await mkdir(join(folder, registry));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, registry, name), text);
  const network = new Network({ env: {} });
  return {
    options: { network, hosts: configuredHosts({ IMGVOL_HOSTS_DIR: folder }) },
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await rm(folder, { recursive: true });
    },
  };
}

async function pulled(store: Store, tag: string): Promise<Buffer[]> {
  const d = await store.resolve(tag, call);
  const read = async (one: Descriptor): Promise<Buffer> =>
    Buffer.from(await collect(store.read(one, call), 64 * 1024 * 1024, "it"));
  const manifest = await read(d);
  const { config, layers } = JSON.parse(manifest.toString());
  return [manifest, ...(await Promise.all([config, ...layers].map(read)))];
}

const gets = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith("GET"));
const isBlob = (line: string): boolean => line.includes("/blobs/");

test("our mirror before docker-registry: crane by the name's first part, our client by hosts.toml and ?ns=", async () => {
  await using upstream = await registryWith({}, () => []);
  const source = openRemote({ registry: upstream.host, repository: "team/app" });
  await source.tag("v1", await putImage(source, 5), call);
  const expected = await pulled(source, "v1");
  const before = (await upstream.asked()).length;
  const folder = await mkdtemp(join(tmpdir(), "imgvol-mirror-"));
  const errors: unknown[] = [];
  await using mirror = await startRegistry(
    {
      host: "127.0.0.1",
      port: 0,
      dir: join(folder, "data"),
      mirror: { upstreams: ["docker.io", upstream.host] },
      onError: (error) => void errors.push(error),
    },
    call,
  );
  const at = `127.0.0.1:${mirror.port}`;
  const program = await programOf(crane);
  const ref = `${at}/${upstream.host.replace(":", "_")}/team/app:v1`;
  await Promise.all(
    [1, 2, 3].map((n) =>
      run(program, ["--insecure", "pull", ref, join(folder, `${n}.tar`)], { cwd: folder }),
    ),
  );
  await using mine = await knowing(upstream.host, {
    "hosts.toml": `server = "http://192.0.2.1:1"\n[host."http://${at}"]\ncapabilities = ["pull", "resolve"]`,
  });
  const store = openRemote({ registry: upstream.host, repository: "team/app" }, mine.options);
  const got = await pulled(store, "v1");
  assert.ok(got.every((bytes, n) => bytes.equals(expected[n] ?? Buffer.of())));
  const asked = (await upstream.asked()).slice(before);
  const blobs = gets(asked).filter(isBlob);
  assert.equal(blobs.length, expected.length - 1, asked.join("\n"));
  assert.equal(new Set(blobs).size, blobs.length);
  assert.equal(gets(asked).length - blobs.length, 1, asked.join("\n"));
  assert.equal(asked.filter((line) => line.endsWith("manifests/v1")).length, 1, asked.join("\n"));
  assert.deepEqual(errors, []);
  await rm(folder, { recursive: true, force: true });
});

test("docker-registry as a mirror of ours: our client pulls through it, and pushes past it", async () => {
  const asked: string[] = [];
  await using ours = await startRegistry(
    { host: "127.0.0.1", port: 0, accessLog: (line) => void asked.push(line) },
    call,
  );
  await using mirror = await registryWith({}, () => [`proxy: { remoteurl: "${ours.url}" }`]);
  const registry = `127.0.0.1:${ours.port}`;
  await using mine = await knowing(registry, {
    "hosts.toml": `server = "${ours.url}"\n[host."http://${mirror.host}"]\ncapabilities = ["pull", "resolve"]`,
  });
  const store = openRemote({ registry, repository: "team/app" }, mine.options);
  await store.tag("v1", await putImage(store, 6), call);
  assert.deepEqual(gets(await mirror.asked()), []);
  const got = await pulled(store, "v1");
  assert.ok((await mirror.asked()).some((line) => line.includes(`?ns=${encodeURIComponent(registry)}`)));
  await mirror[Symbol.asyncDispose]();
  assert.deepEqual(await pulled(store, "v1"), got);
});

test("TLS with docker-registry: its authority and a client certificate from certs.d, and what is said without them", async () => {
  await using registry = await registryWith(
    { "server.crt": server.cert, "server.key": server.key, "ca.crt": authority },
    (folder) => [
      `http: { addr: "127.0.0.1:0", tls: { certificate: ${folder}/server.crt, key: ${folder}/server.key, clientcas: [${folder}/ca.crt] } }`,
    ],
  );
  const host = registry.host.replace("127.0.0.1", "localhost");
  const attempt = async (files: Record<string, string>): Promise<Store & AsyncDisposable> => {
    const mine = await knowing(host, files);
    const store = openRemote({ registry: host, repository: "team/app" }, mine.options);
    return { ...store, [Symbol.asyncDispose]: () => mine[Symbol.asyncDispose]() };
  };
  const certificates = { "client.cert": client.cert, "client.key": client.key };
  await using friend = await attempt({ "ca.crt": authority, ...certificates });
  await friend.tag("v1", await putImage(friend, 7), call);
  assert.equal((await pulled(friend, "v1")).length, 3);
  await using stranger = await attempt({ "hosts.toml": `server = "https://${host}"` });
  await assert.rejects(stranger.resolve("v1", call), {
    code: "tls-failed",
    hint: /ca\.crt, and write it into the hosts\.toml beside it/,
  });
  await using nobody = await attempt({ "ca.crt": authority });
  await assert.rejects(nobody.resolve("v1", call), {
    code: "tls-failed",
    hint: /client\.cert and client\.key/,
  });
  await using other = await attempt({ "ca.crt": authority, "a.cert": server.cert, "a.key": server.key });
  await assert.rejects(other.resolve("v1", call), { code: "tls-failed", hint: /another may be wanted/ });
  await using careless = await attempt({
    "hosts.toml": `server = "https://${host}"\nskip_verify = true\nclient = [["client.cert", "client.key"]]`,
    ...certificates,
  });
  assert.equal((await pulled(careless, "v1")).length, 3);
  await using plain = await startDockerRegistry();
  await using wrong = await knowing(plain.host, { "hosts.toml": `server = "https://${plain.host}"` });
  const spoken = openRemote({ registry: plain.host, repository: "a/b" }, wrong.options);
  assert.equal(await codeOf(spoken.resolve("v1", call)), "registry-unreachable");
});
