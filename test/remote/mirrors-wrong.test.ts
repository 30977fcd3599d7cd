import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Call,
  collect,
  type Finding,
  type Listening,
  Network,
  quietCall,
  ResourceStack,
  temporaryFolder,
} from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { configuredHosts } from "../../src/hosts/index.ts";
import { type Descriptor, type Digest, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { memoryStore, openLayout, readManifest } from "../../src/store/index.ts";
import { openCache } from "../../src/volume/index.ts";
import { picture, putImage, tarOf } from "../volume/images.ts";

const call: Call = quietCall();
const repository = "team/agent";

/** More than is held back until it was verified, and nothing that a compressor could make less of. */
const large = randomBytes(3_000_000);
const small = Buffer.from("a small layer");

/** A registry and mirrors of it, all of them folders of ours: what lies in a mirror's can be damaged as a disk would do it. */
interface Places extends AsyncDisposable {
  readonly dir: string;
  readonly registry: Listening;
  readonly mirrors: readonly Listening[];
  readonly image: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly config: Descriptor;
  readonly found: readonly Finding[];
  readonly options: RemoteOptions;
  /** The repository as hosts.toml has it: by its mirrors, in order, then the registry itself. */
  open(): Store;
  /** Changes bytes of what a mirror holds, or cuts them off; their name stays. */
  damage(mirror: number, digest: Digest, how?: "changed" | "cut"): Promise<void>;
}

async function places(mirrorCount = 1): Promise<Places> {
  const held = new ResourceStack();
  try {
    return await madeIn(held, mirrorCount);
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

async function madeIn(held: ResourceStack, mirrorCount: number): Promise<Places> {
  const folder = held.keep(await temporaryFolder(tmpdir(), "imgvol-mirrors-"));
  const network = new Network({ env: {} });
  const serve = async (name: string): Promise<Listening> =>
    held.keep(
      await startRegistry({ host: "127.0.0.1", port: 0, dir: join(folder.path, name), grace: 0 }, call),
    );
  const made = memoryStore();
  const layers = [large, small].map((body, n) => tarOf([{ path: `file-${n}`, body }]));
  const image = await putImage(made, "v1", layers);
  const registry = await serve("registry");
  const mirrors: Listening[] = [];
  for (let n = 0; n < mirrorCount; n++) mirrors.push(await serve(`mirror-${n}`));
  for (const { port } of [registry, ...mirrors]) {
    await using to = openRemote({ registry: `127.0.0.1:${port}`, repository }, { network });
    await copy(made, "v1", to, "v1", {}, call);
  }
  const host = `127.0.0.1:${registry.port}`;
  await mkdir(join(folder.path, "hosts", host), { recursive: true });
  await writeFile(
    join(folder.path, "hosts", host, "hosts.toml"),
    [
      `server = "http://${host}"`,
      ...mirrors.map(({ port }) => `[host."http://127.0.0.1:${port}"]\ncapabilities = ["pull", "resolve"]`),
    ].join("\n"),
  );
  const hosts = configuredHosts({ IMGVOL_HOSTS_DIR: join(folder.path, "hosts") });
  const found: Finding[] = [];
  const options = { network, hosts, tell: (finding: Finding): void => void found.push(finding) };
  const { view: manifest } = await readManifest(made, image, call);
  assert.ok(manifest.kind === "manifest");
  return {
    dir: folder.path,
    registry,
    mirrors,
    image,
    layers: manifest.layers,
    config: manifest.config,
    found,
    options,
    open: () => openRemote({ registry: host, repository }, options),
    async damage(mirror, digest, how = "changed") {
      const [algorithm = "", hex = ""] = digest.split(":");
      const path = join(folder.path, `mirror-${mirror}`, repository, "_layout/blobs", algorithm, hex);
      await chmod(path, 0o600);
      const bytes = await readFile(path);
      if (how === "cut") return await truncate(path, bytes.length - 7);
      for (const at of [0, bytes.length >> 1]) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      await writeFile(path, bytes);
    },
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await held[Symbol.asyncDispose]();
    },
  };
}

async function contents(store: Store, all: readonly Descriptor[]): Promise<void> {
  for (const d of all) assert.equal((await collect(store.read(d, call), 10_000_000, "it")).length, d.size);
}

const damaged: readonly [what: string, which: (at: Places) => Descriptor | undefined][] = [
  ["a large layer", ({ layers }) => layers[0]],
  ["a small layer", ({ layers }) => layers[1]],
  ["the config", ({ config }) => config],
  ["the manifest", ({ image }) => image],
];
for (const [what, which] of damaged) {
  for (const how of ["changed", "cut"] as const) {
    for (const name of what === "the manifest" ? ["v1", "by digest"] : ["v1"]) {
      test(`a mirror in which ${what} was ${how}: copy ${name} gets it from the registry, and says so once`, async () => {
        await using at = await places();
        const d = which(at);
        assert.ok(d !== undefined);
        await at.damage(0, d.digest, how);
        await using layout = await openLayout(join(at.dir, "layout"), { create: true }, call);
        await using source = at.open();
        const done = await copy(source, name === "v1" ? "v1" : at.image.digest, layout, "v1", {}, call);
        assert.equal(done.digest, at.image.digest);
        assert.equal(done.copied, 4);
        await contents(layout, [at.image, at.config, ...at.layers]);
        const mirror = `127.0.0.1:${at.mirrors[0]?.port}`;
        assert.deepEqual(
          at.found.map(({ code, subject }) => [code, subject]),
          [["mirror-wrong", mirror]],
        );
        assert.ok(at.found[0]?.message.startsWith(`${mirror} is passed over for ${source.origin}: `));
      });
    }
  }
}

test("a mirror that says of a manifest that it is larger than any is passed over, and named", async () => {
  await using at = await places(0);
  const { digest } = at.image;
  const server = createServer((_request, response) => {
    const headers = { "content-type": MediaType.manifest, "docker-content-digest": digest };
    response.writeHead(200, { ...headers, "content-length": 99_999_999 }).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const mirror = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const file = join(at.dir, "hosts", `127.0.0.1:${at.registry.port}`, "hosts.toml");
    const before = await readFile(file, "utf8");
    await writeFile(file, `${before}\n[host."http://${mirror}"]\ncapabilities = ["pull", "resolve"]\n`);
    await using source = at.open();
    for (const name of ["v1", digest])
      assert.deepEqual((await source.resolve(name, call)).size, at.image.size);
    assert.deepEqual(
      at.found.map(({ code, subject }) => [code, subject]),
      [["mirror-wrong", mirror]],
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("the rest still comes from the mirror: only what it has wrong is asked for elsewhere", async () => {
  await using at = await places();
  const [first, second] = at.layers;
  assert.ok(first !== undefined && second !== undefined);
  await at.damage(0, first.digest);
  await at.registry[Symbol.asyncDispose]();
  await using source = at.open();
  await contents(source, [at.image, at.config, second]);
  assert.deepEqual(at.found, []);
});

test("two mirrors, both wrong: each is passed over, and named", async () => {
  await using at = await places(2);
  for (const d of at.layers) for (const mirror of [0, 1]) await at.damage(mirror, d.digest);
  await using source = at.open();
  const to = memoryStore();
  await copy(source, "v1", to, "v1", {}, call);
  await contents(to, at.layers);
  assert.deepEqual(
    at.found.map(({ subject }) => subject).sort(),
    at.mirrors.map(({ port }) => `127.0.0.1:${port}`).sort(),
  );
});

test("where the registry itself is gone, or has it wrong too, the copy fails, and nothing wrong is visible", async () => {
  await using at = await places();
  const [layer] = at.layers;
  assert.ok(layer !== undefined);
  await at.damage(0, layer.digest);
  await at.registry[Symbol.asyncDispose]();
  await using layout = await openLayout(join(at.dir, "layout"), { create: true }, call);
  await using source = at.open();
  await assert.rejects(copy(source, "v1", layout, "v1", {}, call), { side: "source" });
  assert.equal(await layout.has(layer, call), false);
  await assert.rejects(layout.resolve("v1", call), { code: "not-found" });
});

test("a volume is unpacked from the registry where its mirror gives no archive, or another one", async () => {
  for (const how of ["changed", "cut"] as const) {
    await using at = await places();
    const [layer] = at.layers;
    assert.ok(layer !== undefined);
    await at.damage(0, layer.digest, how);
    await using source = at.open();
    const cache = await openCache(join(at.dir, "cache"));
    await using volume = await cache.volume(source, "v1", {}, call);
    assert.deepEqual(
      (await picture(volume.root)).map((line) => line.split(" ")[0]),
      ["file-0", "file-1"],
    );
    assert.deepEqual(await readFile(join(volume.root, "file-0")), large);
    assert.deepEqual(
      at.found.map(({ code }) => code),
      ["mirror-wrong"],
    );
  }
});

test("a layer that is no archive anywhere is not the mirror's fault", async () => {
  await using at = await places();
  const broken = memoryStore();
  const d = await putImage(broken, "broken", [tarOf([{ path: "x", body: large }])], {
    compress: () => large,
  });
  for (const { port } of [at.registry, ...at.mirrors]) {
    const { network } = at.options;
    await using to = openRemote(
      { registry: `127.0.0.1:${port}`, repository },
      network === undefined ? {} : { network },
    );
    await copy(broken, d.digest, to, "broken", {}, call);
  }
  await using source = at.open();
  const cache = await openCache(join(at.dir, "cache"));
  await assert.rejects(
    cache.volume(source, "broken", {}, call),
    (error: Error) => !/mismatch/.test(String(error)),
  );
  assert.deepEqual(at.found, []);
});

test("where only a mirror is in reach, referrers and foreign layers that it has are copied too", async () => {
  await using at = await places();
  const { network } = at.options;
  await using mirror = openRemote(
    { registry: `127.0.0.1:${at.mirrors[0]?.port}`, repository },
    network === undefined ? {} : { network },
  );
  const json = (value: object): { size: number; open: () => AsyncIterable<Uint8Array> } => {
    const bytes = Buffer.from(JSON.stringify(value));
    return {
      size: bytes.length,
      async *open() {
        yield bytes;
      },
    };
  };
  const [layer] = at.layers;
  assert.ok(layer !== undefined);
  const foreign = { ...layer, urls: ["https://nowhere.example/layer"] };
  const base = { schemaVersion: 2, mediaType: MediaType.manifest, config: at.config };
  const image = await mirror.ingest(MediaType.manifest, json({ ...base, layers: [foreign] }), call);
  await mirror.tag("foreign", image, call);
  const { mediaType, digest, size } = image;
  const signature = {
    ...base,
    layers: [],
    artifactType: "application/x.s",
    subject: { mediaType, digest, size },
  };
  const signed = await mirror.ingest(MediaType.manifest, json(signature), call);
  await at.registry[Symbol.asyncDispose]();
  await using source = at.open();
  const to = memoryStore();
  const done = await copy(source, "foreign", to, "foreign", { referrers: true }, call);
  assert.deepEqual([done.foreign, done.referrers], [0, 1]);
  await contents(to, [image, signed, layer]);
});
