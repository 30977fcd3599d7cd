import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { run } from "../peers/program.ts";
import { REGISTRIES } from "../peers/registries.ts";
import { allClients, type Client, type Material } from "./clients.ts";
import { section, updating, writeSection } from "./interoperability.ts";
import { Matrix } from "./matrix.ts";
import { blobsOf, bySha512, type Image, makeTree, packImages, referrerOf } from "./matrix-images.ts";
import { startOwnRegistry } from "./own-registry.ts";
import { hashedBy, rawImage, rawManifest, rawReferrers } from "./raw-registry.ts";

// Every client with every registry. What is in a registry afterwards is asked with plain requests, and compared byte
// for byte with what was packed.

const call = quietCall();
const work = await temporaryFolder(tmpdir(), "imgvol-matrix-");
const tree = join(work.path, "tree");
await makeTree(tree);
const tar = join(work.path, "tree.tar");
await run("tar", ["-cf", tar, "-C", tree, "."]);
const packed = await packImages(tree, join(work.path, "images"));
const byName = (name: string): Image => packed.find((image) => image.name === name) ?? assert.fail(name);
const images = [...packed, await bySha512(byName("one platform"), join(work.path, "images"))];
const image = byName("gzip");
const referrer = await referrerOf(image, join(work.path, "images"));
const material: Material = { folder: tree, tar, layout: byName("one platform").layout };

const registries = await Promise.all([
  startOwnRegistry({ folder: true }).then((running) => ({ name: "imgvol", ...running })),
  ...REGISTRIES.map(async ({ name, start }) => ({ name, ...(await start()) })),
]);
type Registry = (typeof registries)[number];
const hosts = registries.map(({ host }) => host);
const clients = await allClients({ home: join(work.path, "home"), hosts });
const matrix = new Matrix(
  clients.map(({ name }) => name),
  registries.map(({ name }) => name),
);

after(async () => {
  for (const registry of registries) await registry[Symbol.asyncDispose]();
  await work[Symbol.asyncDispose]();
});

/** Puts an image into a registry by the library, so that a pull needs no client's push. */
const seeds = new Map<string, Promise<unknown>>();
function seeded({ host }: Registry, { layout }: Image): Promise<string> {
  const repository = `seed/${layout.split("/").at(-1)}`;
  const key = `${host}/${repository}`;
  const done = seeds.get(key) ?? seed(layout, host, repository);
  seeds.set(key, done);
  return done.then(() => `${key}:v1`);
}

async function seed(layout: string, host: string, repository: string): Promise<void> {
  await using from = await openLayout(layout, {}, call);
  await copy(from, "v1", openRemote({ registry: host, repository }), "v1", {}, call);
}

async function assertThere({ host }: Registry, repository: string, wanted: Image): Promise<void> {
  const { status, bytes } = await rawManifest(host, repository, "v1");
  assert.equal(status, 200, `the tag v1 in ${host}/${repository}`);
  assert.equal(hashedBy(wanted.digest, bytes), wanted.digest, "the digest is another");
  assert.deepEqual(await rawImage(host, repository, wanted.digest), wanted.blobs);
}

async function assertPulled(layout: string, wanted: Image): Promise<void> {
  const { manifests } = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  const digests = (manifests as Entry[]).map(({ digest }) => digest);
  assert.ok(digests.includes(wanted.digest), `the layout's index names ${digests.join()}`);
  const blobs = await blobsOf(layout);
  for (const [digest, bytes] of wanted.blobs)
    assert.ok(blobs.get(digest)?.equals(bytes), `the layout has no ${digest}`);
}

interface Entry {
  readonly digest: string;
  readonly platform?: { readonly architecture: string };
}
const blobOf = ({ blobs }: Image, digest: string): Buffer => blobs.get(digest) ?? assert.fail(digest);
const documentIn = (image: Image, digest: string) => JSON.parse(blobOf(image, digest).toString());

const operations: Record<string, (client: Client, registry: Registry) => Promise<void>> = {};

for (const wanted of images) {
  const folder = wanted.name.replaceAll(" ", "-");
  operations[`push: ${wanted.name}`] = async (client, registry) => {
    await client.push(wanted.layout, `${registry.host}/${client.name}/${folder}:v1`);
    await assertThere(registry, `${client.name}/${folder}`, wanted);
  };
  operations[`pull: ${wanted.name}`] = async (client, registry) => {
    const from = await seeded(registry, wanted);
    const layout = join(work.path, `${client.name}-${registry.name}-${folder}`);
    await client.pull(from, layout);
    await assertPulled(layout, wanted);
    await rm(layout, { recursive: true });
  };
}

operations["pull one platform"] = async (client, registry) => {
  const from = await seeded(registry, image);
  const layout = join(work.path, `${client.name}-${registry.name}-arm64`);
  await client.pullArm(from, layout);
  const blobs = await blobsOf(layout);
  const { manifests } = documentIn(image, image.digest);
  for (const { digest, platform } of manifests as Entry[]) {
    const { config, layers } = documentIn(image, digest);
    const wanted = platform?.architecture === "arm64";
    assert.equal(blobs.has(digest), wanted, digest);
    for (const part of wanted ? [config, ...layers] : []) {
      assert.ok(blobs.get(part.digest)?.equals(blobOf(image, part.digest)), part.digest);
    }
  }
};

operations["list tags"] = async (client, registry) => {
  await seeded(registry, image);
  assert.deepEqual(await client.tags(`${registry.host}/seed/gzip`), ["v1"]);
};

operations["read what it made"] = async (client, registry) => {
  const repository = `${client.name}/made`;
  await client.make(material, `${registry.host}/${repository}:v1`);
  const folder = join(work.path, `made-${client.name}-${registry.name}`);
  await using layout = await openLayout(folder, { create: true }, call);
  const remote = openRemote({ registry: registry.host, repository });
  const { digest } = await copy(remote, "v1", layout, "v1", {}, call);
  assert.deepEqual(await blobsOf(folder), await rawImage(registry.host, repository, digest));
};

operations["push a referrer"] = async (client, registry) => {
  const repository = `${client.name}/referred`;
  await client.push(image.layout, `${registry.host}/${repository}:v1`);
  await client.push(referrer.layout, `${registry.host}/${repository}:about`);
  const { by, digests } = await rawReferrers(registry.host, repository, image.digest);
  assert.deepEqual(digests, [referrer.digest], `no referrer by ${by}`);
};

operations["list referrers"] = async (client, registry) => {
  if (client.referrers === undefined) return await lacks(client);
  await referred(registry);
  assert.deepEqual(await client.referrers(`${registry.host}/seed/referred:v1`), [referrer.digest]);
};

operations["copy with referrers"] = async (client, registry) => {
  if (client.copyReferrers === undefined) return await lacks(client);
  // From the next one: of two neighbours, one has the API and the other the tag that stands in for it, or both the tag.
  const from = registries[(registries.indexOf(registry) + 1) % registries.length] ?? assert.fail();
  await referred(from);
  const repository = `${client.name}/referred-copy`;
  await client.copyReferrers(`${from.host}/seed/referred:v1`, `${registry.host}/${repository}:v1`);
  await assertThere(registry, repository, image);
  const { digests } = await rawReferrers(registry.host, repository, image.digest);
  assert.deepEqual(digests, [referrer.digest]);
};

/** That a client has no words for referrers is its own help's to say. */
async function lacks(client: Client): Promise<never> {
  assert.doesNotMatch(await client.help(), /referrer|attach|discover/i);
  throw new Error(`${client.name} has no such command`);
}

/** An image with a referrer, by a client that also writes the tag that stands in for the API. */
const referrals = new Map<string, Promise<void>>();
function referred({ host }: Registry): Promise<void> {
  const oras = clients.find(({ name }) => name === "oras") ?? assert.fail();
  const put = async (): Promise<void> => {
    await oras.push(image.layout, `${host}/seed/referred:v1`);
    await oras.push(referrer.layout, `${host}/seed/referred:about`);
  };
  const done = referrals.get(host) ?? put();
  referrals.set(host, done);
  return done;
}

operations["delete"] = async (client, registry) => {
  const repository = `${client.name}/deleted`;
  await client.push(image.layout, `${registry.host}/${repository}:v1`);
  await client.delete(`${registry.host}/${repository}`, image.digest);
  const byDigest = await rawManifest(registry.host, repository, image.digest);
  assert.equal(byDigest.status, 404, "the digest is still there");
  const byTag = await rawManifest(registry.host, repository, "v1");
  assert.equal(byTag.status, 404, "the tag v1 is still there");
};

for (const from of registries) {
  operations[`copy from: ${from.name}`] = async (client, registry) => {
    const repository = `${client.name}/from-${from.name}`;
    await client.copy(await seeded(from, image), `${registry.host}/${repository}:v1`);
    await assertThere(registry, repository, image);
  };
}

describe("clients and registries", { concurrency: 2 }, () => {
  for (const client of clients) {
    for (const registry of registries) {
      describe(`${client.name} with ${registry.name}'s registry`, () => {
        for (const [name, operation] of Object.entries(operations)) {
          test(name, () => matrix.cell(name, client.name, registry.name, () => operation(client, registry)));
        }
      });
    }
  }
});

test("the page's matrix is that of this run", async () => {
  const told = matrix.markdown(Object.keys(operations));
  if (updating) await writeSection("matrix", told);
  assert.equal(await section("matrix"), told);
});
