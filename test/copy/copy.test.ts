import assert from "node:assert/strict";
import { test } from "node:test";
import { type ByteSource, collect, fromBytes, quietCall } from "../../src/base/index.ts";
import { CopyError, copy } from "../../src/copy/index.ts";
import {
  canonicalJson,
  type Descriptor,
  digestOf,
  MediaType,
  type Platform,
  type Store,
} from "../../src/oci/index.ts";
import { type Medium, memoryMedium, memoryStore, verified } from "../../src/store/index.ts";
import { codeOf, layerOf, putImage, someBytes } from "../contract/store.ts";
import { newLayout } from "../store/layout-folder.ts";

const call = quietCall();

async function putJson(store: Store, value: { mediaType: string }): Promise<Descriptor> {
  return await store.ingest(value.mediaType, fromBytes(canonicalJson(value)), call);
}

async function putIndex(store: Store, manifests: readonly Descriptor[]): Promise<Descriptor> {
  return await putJson(store, { schemaVersion: 2, mediaType: MediaType.index, manifests } as {
    mediaType: string;
  });
}

const amd64: Platform = { os: "linux", architecture: "amd64" };
const arm64: Platform = { os: "linux", architecture: "arm64" };

/** An index `v1` of two platforms that share a layer. */
async function twoPlatforms(store: Store): Promise<{ index: Descriptor; amd: Descriptor; arm: Descriptor }> {
  const layer = await store.ingest(MediaType.layerTar, fromBytes(someBytes(700_000)), call);
  const image = async (platform: Platform): Promise<Descriptor> => {
    const config = await putJson(store, { mediaType: MediaType.config, ...platform });
    const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [layer] };
    return { ...(await putJson(store, manifest)), platform };
  };
  const [amd, arm] = [await image(amd64), await image(arm64)];
  const index = await putIndex(store, [amd, arm]);
  await store.tag("v1", index, call);
  return { index, amd, arm };
}

/** A medium that writes down what becomes visible, in order. */
function watched(): { medium: Medium; order: string[] } {
  const inner = memoryMedium();
  const order: string[] = [];
  const medium: Medium = {
    ...inner,
    async write(content, c) {
      await inner.write(content, c);
      order.push(content.seal().digest);
    },
    async tag(name, d, c) {
      await inner.tag(name, d, c);
      order.push(name);
    },
  };
  return { medium, order };
}

test("an index is copied whole: children before parents, each content once, the tag last", async () => {
  const source = memoryStore();
  const { index, amd, arm } = await twoPlatforms(source);
  const { medium, order } = watched();
  const destination = verified(medium);
  const result = await copy(source, "v1", destination, "copied", {}, call);
  assert.deepEqual(
    { ...result, bytes: 0 },
    {
      digest: index.digest,
      descriptor: index,
      copied: 6,
      skipped: 0,
      mounted: 0,
      foreign: 0,
      referrers: 0,
      bytes: 0,
    },
  );
  assert.equal(order.length, 7);
  assert.deepEqual(order.slice(-2), [index.digest, "copied"]);
  assert.deepEqual(new Set(order.slice(3, 5)), new Set([amd.digest, arm.digest]));
  assert.deepEqual(await destination.resolve("copied", call), index);
  const again = await copy(source, "v1", destination, "copied", {}, call);
  assert.deepEqual([again.copied, again.skipped, again.bytes], [0, 6, 0]);
});

test("manifests keep their bytes, from layout to memory and back", async () => {
  await using layout = await newLayout();
  await using back = await newLayout();
  const d = await putImage(layout.store);
  await layout.store.tag("v1", d, call);
  const memory = memoryStore();
  await copy(layout.store, "v1", memory, "v1", {}, call);
  const result = await copy(memory, d.digest, back.store, "again", {}, call);
  assert.equal(result.digest, d.digest);
  assert.equal(digestOf(await collect(back.store.read(d, call), 10_000, "manifest")), d.digest);
});

test("a platform is copied as its manifest alone", async () => {
  const source = memoryStore();
  const { arm } = await twoPlatforms(source);
  const destination = memoryStore();
  const result = await copy(source, "v1", destination, "arm", { platform: arm64 }, call);
  assert.equal(result.digest, arm.digest);
  assert.equal(result.copied, 3);
  assert.equal((await destination.resolve("arm", call)).digest, arm.digest);
  await assert.rejects(
    copy(source, "v1", destination, "s390x", { platform: { os: "linux", architecture: "s390x" } }, call),
    { code: "platform-missing", hint: "it has linux/amd64, linux/arm64" },
  );
});

test("what the destination lost is mended", async () => {
  const source = memoryStore();
  const { index } = await twoPlatforms(source);
  const destination = memoryStore();
  await copy(source, "v1", destination, "v1", {}, call);
  const layer = layerOf(someBytes(700_000));
  await destination.can.delete?.delete(layer, call);
  const result = await copy(source, "v1", destination, "v1", {}, call);
  assert.deepEqual([result.copied, result.skipped, result.bytes], [1, 5, layer.size]);
  assert.equal((await destination.resolve("v1", call)).digest, index.digest);
});

test("a foreign layer is left out where the source does not hold it; its urls are not fetched", async () => {
  const source = memoryStore();
  const held = await source.ingest(MediaType.layerTar, fromBytes(someBytes(100)), call);
  const config = await putJson(source, { mediaType: MediaType.config });
  const urls = ["http://127.0.0.1:1/never"];
  const layers = [
    { ...layerOf(someBytes(200)), urls },
    { ...held, urls },
  ];
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers };
  await source.tag("v1", await putJson(source, manifest), call);
  const destination = memoryStore();
  const result = await copy(source, "v1", destination, "v1", {}, call);
  assert.deepEqual([result.copied, result.foreign], [3, 1]);
  assert.equal(await destination.has(held, call), true);
});

test("what an index lists that is no image is copied too", async () => {
  const source = memoryStore();
  const blob = await source.ingest("application/x-notes", fromBytes(Buffer.from("notes")), call);
  const index = await putIndex(source, [await putImage(source), blob]);
  const nested = await putIndex(source, [index, await putImage(source, 2)]);
  const destination = memoryStore();
  const result = await copy(source, nested.digest, destination, undefined, {}, call);
  assert.equal(result.copied, 9);
  assert.equal(await destination.has(blob, call), true);
});

test("a child that the source lacks is an error, and nothing is tagged", async () => {
  const source = memoryStore();
  const { arm } = await twoPlatforms(source);
  await source.can.delete?.delete(arm, call);
  const destination = memoryStore();
  await assert.rejects(copy(source, "v1", destination, "v1", {}, call), (error) => {
    assert.ok(error instanceof CopyError);
    assert.deepEqual([error.code, error.side, error.origin], ["not-found", "source", "memory"]);
    return true;
  });
  assert.equal(await codeOf(destination.resolve("v1", call)), "not-found");
});

const failures: readonly [string, Partial<Medium>, Partial<Medium>, string, "source" | "destination"][] = [
  [
    "a source with wrong bytes",
    { open: (d) => fromBytes(someBytes(d.size, 77)).open(0, call) },
    {},
    "digest-mismatch",
    "source",
  ],
  [
    "a source that is cut",
    { open: (d) => fromBytes(someBytes(d.size - 1, 77)).open(0, call) },
    {},
    "size-mismatch",
    "source",
  ],
  ["a source that breaks", { open: () => broken().open(0, call) }, {}, "copy-failed", "source"],
  [
    "a destination that refuses",
    {},
    {
      async write() {
        throw new Error("full");
      },
    },
    "copy-failed",
    "destination",
  ],
];

for (const [what, src, dst, code, side] of failures) {
  test(`the error says which side failed: ${what}`, async () => {
    const inner = memoryMedium("here");
    await twoPlatforms(verified(inner));
    const { open } = src;
    const source: Medium =
      open === undefined
        ? inner
        : { ...inner, open: (d, from, c) => (d.size > 10_000 ? open(d, from, c) : inner.open(d, from, c)) };
    const destination = verified({ ...memoryMedium("there"), ...dst });
    await assert.rejects(copy(verified(source), "v1", destination, "v1", {}, call), (error) => {
      assert.ok(error instanceof CopyError, String(error));
      assert.deepEqual([error.code, error.side], [code, side]);
      assert.ok(
        error.message.startsWith(side) && error.message.includes(side === "source" ? "here" : "there"),
      );
      return true;
    });
    assert.equal(await codeOf(destination.resolve("v1", call)), "not-found");
  });
}

test("a registry that can mount is asked before bytes flow", async () => {
  const source = memoryStore();
  await twoPlatforms(source);
  const inner = memoryMedium();
  const asked: string[] = [];
  const mount = {
    async mount(d: Descriptor, from: Store): Promise<boolean> {
      asked.push(d.digest);
      if (d.size < 10_000) return false;
      await verified(inner).put(d, { open: (offset, c) => from.read(d, c, offset) }, call);
      return true;
    },
  };
  const result = await copy(
    source,
    "v1",
    verified({ ...inner, can: { ...inner.can, mount } }),
    "v1",
    {},
    call,
  );
  assert.deepEqual([result.mounted, result.copied, asked.length], [1, 5, 3]);
});

test("what a registry takes without a byte is counted as mounted, and not as sent", async () => {
  const source = memoryStore();
  await twoPlatforms(source);
  const inner = memoryMedium();
  const medium: Medium = {
    ...inner,
    async write(content, c) {
      // As a registry that mounts from wherever it has the blob, without being told from where.
      if ((content.expected?.size ?? 0) < 10_000) await inner.write(content, c);
    },
  };
  const result = await copy(source, "v1", verified(medium), undefined, { platform: amd64 }, call);
  assert.deepEqual([result.mounted, result.copied, result.skipped], [1, 2, 0]);
  assert.ok(result.bytes < 10_000, `${result.bytes}`);
});

test("hostile indexes end in an error: too deep, too many", async () => {
  const store = memoryStore();
  let deep = await putImage(store);
  for (let i = 0; i < 12; i++) deep = await putIndex(store, [deep]);
  assert.equal(await codeOf(copy(store, deep.digest, memoryStore(), "x", {}, call)), "manifest-invalid");
  const blobs = Array.from({ length: 20_001 }, (_, i) => ({
    mediaType: "application/x",
    digest: digestOf(Buffer.from(String(i))),
    size: 1,
  }));
  const wide = await putIndex(store, blobs);
  assert.equal(await codeOf(copy(store, wide.digest, memoryStore(), "x", {}, call)), "too-large");
  const huge: Descriptor = {
    mediaType: MediaType.manifest,
    digest: digestOf(Buffer.from("huge")),
    size: 5_000_000,
  };
  const heavy = await putIndex(store, [huge]);
  assert.equal(await codeOf(copy(store, heavy.digest, memoryStore(), "x", {}, call)), "too-large");
});

test("an abort ends a copy, and leaves no tag and no leftovers", async () => {
  const gone = new AbortController();
  const inner = memoryMedium();
  await twoPlatforms(verified(inner));
  const source: Medium = {
    ...inner,
    async *open(d, from, c) {
      if (d.size > 10_000) gone.abort();
      yield* inner.open(d, from, c);
    },
  };
  await using layout = await newLayout();
  assert.equal(
    await codeOf(copy(verified(source), "v1", layout.store, "v1", {}, { signal: gone.signal })),
    "aborted",
  );
  assert.equal(await codeOf(layout.store.resolve("v1", call)), "not-found");
  const left = (await layout.residue()).filter((name) => name.startsWith(".imgvol/writers/"));
  assert.deepEqual(left, []);
});

function broken(): ByteSource {
  return {
    async *open() {
      yield someBytes(1000);
      throw new Error("cable cut");
    },
  };
}
