import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBytes, Network, quietCall } from "../../src/base/index.ts";
import { CopyError, copy } from "../../src/copy/index.ts";
import {
  canonicalJson,
  type Descriptor,
  type Digest,
  digestOf,
  MediaType,
  type Store,
} from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/remote.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { memoryMedium, memoryStore, verified } from "../../src/store/index.ts";
import { codeOf, type Fixture, gather, putImage } from "../contract/store.ts";
import { newArchive } from "../store/archive-file.ts";
import { newLayout } from "../store/layout-folder.ts";

const call = quietCall();

async function putArtifact(store: Store, subject: Descriptor, artifactType: string): Promise<Descriptor> {
  const config = await store.ingest(MediaType.empty, fromBytes(Buffer.from("{}")), call);
  const blob = await store.ingest(
    "application/x.notes",
    fromBytes(Buffer.from(`about ${subject.digest}`)),
    call,
  );
  const { mediaType, digest, size } = subject;
  const manifest = {
    ...{ schemaVersion: 2, mediaType: MediaType.manifest, artifactType, config },
    ...{ layers: [blob], subject: { mediaType, digest, size } },
  };
  const d = await store.ingest(MediaType.manifest, fromBytes(canonicalJson(manifest)), call);
  await store.can.referrers?.enlist?.(digest, d, call);
  return d;
}

interface Signed {
  readonly index: Descriptor;
  readonly inner: Descriptor;
  readonly sbom: Descriptor;
  readonly signature: Descriptor;
  readonly ofInner: Descriptor;
}

/** An index `v1` with an SBOM, which is signed, and a signature of the manifest that the index lists. */
async function signed(store: Store): Promise<Signed> {
  const platform = { os: "linux", architecture: "arm64" };
  const inner = { ...(await putImage(store)), platform };
  const bytes = canonicalJson({ schemaVersion: 2, mediaType: MediaType.index, manifests: [inner] });
  const index = await store.ingest(MediaType.index, fromBytes(bytes), call);
  const sbom = await putArtifact(store, index, "application/x.sbom");
  const signature = await putArtifact(store, sbom, "application/x.signature");
  const ofInner = await putArtifact(store, inner, "application/x.signature");
  await store.tag("v1", index, call);
  return { index, inner, sbom, signature, ofInner };
}

async function referrersOf(store: Store, subject: Digest): Promise<readonly (string | Digest)[]> {
  const found = await gather(store.can.referrers?.referrers(subject, call));
  return found.flatMap((d) => [d.artifactType ?? "", d.digest]);
}

async function newRegistry(): Promise<Fixture> {
  const registry = await startRegistry({ host: "127.0.0.1", port: 0 }, call);
  const network = new Network({ env: {} });
  return {
    store: openRemote({ registry: `127.0.0.1:${registry.port}`, repository: "team/volume" }, { network }),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

const kinds: Readonly<Record<string, () => Promise<Fixture>>> = {
  memory: async () => ({ store: memoryStore(), async [Symbol.asyncDispose]() {} }),
  layout: newLayout,
  archive: newArchive,
  registry: newRegistry,
};

for (const [kind, make] of Object.entries(kinds)) {
  test(`referrers of an image, of its parts and of referrers, into ${kind} and out again`, async () => {
    const source = memoryStore();
    const { index, inner, sbom, signature, ofInner } = await signed(source);
    await using fixture = await make();
    const result = await copy(source, "v1", fixture.store, "v1", { referrers: true }, call);
    assert.equal(result.referrers, 3);
    assert.equal(result.skipped, 0);
    const back = memoryStore();
    await copy(fixture.store, "v1", back, "v1", { referrers: true }, call);
    for (const store of [fixture.store, back]) {
      assert.deepEqual(await referrersOf(store, index.digest), ["application/x.sbom", sbom.digest]);
      assert.deepEqual(await referrersOf(store, sbom.digest), ["application/x.signature", signature.digest]);
      assert.deepEqual(await referrersOf(store, inner.digest), ["application/x.signature", ofInner.digest]);
    }
    const again = await copy(source, "v1", fixture.store, "v1", { referrers: true }, call);
    assert.deepEqual([again.copied, again.referrers], [0, 3]);
  });
}

test("without being asked, a copy leaves referrers where they are; with a platform, it takes that one's", async () => {
  const source = memoryStore();
  const { index, inner, ofInner, sbom } = await signed(source);
  const plain = memoryStore();
  await copy(source, "v1", plain, "v1", {}, call);
  assert.deepEqual(await referrersOf(plain, index.digest), []);
  const arm = memoryStore();
  const platform = { os: "linux", architecture: "arm64" };
  const result = await copy(source, "v1", arm, "v1", { referrers: true, platform }, call);
  assert.deepEqual([result.digest, result.referrers, result.index], [inner.digest, 1, index.digest]);
  assert.equal(await arm.has(ofInner, call), true);
  assert.equal(await arm.has(sbom, call), false);
});

test("a referrer that is listed and gone is left out; one that lost its blob is an error, and nothing is tagged", async () => {
  const source = memoryStore();
  const { sbom, signature } = await signed(source);
  const ghost = { ...sbom, digest: digestOf(Buffer.from("ghost")) };
  const medium = memoryMedium();
  const listing = verified({
    ...medium,
    can: {
      referrers: {
        async *referrers(subject, c) {
          yield ghost;
          const { referrers } = source.can;
          if (referrers !== undefined) yield* referrers.referrers(subject, c);
        },
      },
    },
  });
  await copy(source, "v1", listing, "v1", {}, call);
  await copy(source, sbom.digest, listing, undefined, {}, call);
  const destination = memoryStore();
  const done = await copy(listing, "v1", destination, "v1", { referrers: true }, call);
  assert.equal(done.referrers, 1, "the signatures were never copied into the source");
  await source.can.delete?.delete(
    { ...signature, digest: digestOf(Buffer.from(`about ${sbom.digest}`)) },
    call,
  );
  const broken = memoryStore();
  await assert.rejects(copy(source, "v1", broken, "v1", { referrers: true }, call), (error) => {
    assert.ok(error instanceof CopyError);
    assert.deepEqual([error.code, error.side], ["not-found", "source"]);
    return true;
  });
  assert.equal(await codeOf(broken.resolve("v1", call)), "not-found");
});

test("a store that cannot say what refers to an image is told so", async () => {
  const medium = memoryMedium();
  const store = verified({ ...medium, can: {} });
  await store.tag("v1", await putImage(store), call);
  assert.equal(
    await codeOf(copy(store, "v1", memoryStore(), "v1", { referrers: true }, call)),
    "unsupported",
  );
});
