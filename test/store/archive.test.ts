import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import { type Descriptor, MediaType, type Store } from "../../src/oci/index.ts";
import { memoryStore, openArchive } from "../../src/store/index.ts";
import { codeOf, gather, putImage, someBytes, storeContract } from "../contract/store.ts";
import { layoutPieces, newArchive, tarOf } from "./archive-file.ts";

const call = quietCall();

storeContract("archive", newArchive);

/** An image with a layer that takes several writes. */
async function putLarge(store: Store, seed: number): Promise<Descriptor> {
  await store.ingest(MediaType.layerTar, fromBytes(someBytes(1_500_000, seed)), call);
  return await putImage(store, seed);
}

test("the same image makes the same bytes, whatever came first", async () => {
  const source = memoryStore();
  for (const seed of [1, 2]) await source.tag(`v${seed}`, await putLarge(source, seed), call);
  const made: Buffer[] = [];
  for (const concurrency of [1, 4]) {
    await using archive = await newArchive();
    await copy(source, "v1", archive.store, "v1", { concurrency }, call);
    await copy(source, "v2", archive.store, "v2", { concurrency }, call);
    made.push(await readFile(archive.path));
  }
  assert.ok(made[0]?.equals(made[1] ?? Buffer.alloc(0)));
});

test("nothing but the archive is there once it is written, and nothing at all where nothing was named", async () => {
  await using archive = await newArchive();
  const d = await putImage(archive.store);
  assert.ok((await archive.residue()).length > 0, "content waits beside the archive");
  await archive.store[Symbol.asyncDispose]();
  assert.deepEqual(await archive.residue(), []);
  await using again = await openArchive(archive.path, { create: true }, call);
  await again.tag("v1", await putImage(again), call);
  assert.deepEqual(await archive.residue(), ["image.tar"]);
  assert.equal((await again.resolve("v1", call)).digest, d.digest);
});

test("folders that were made for contents which came side by side are gone with them", async () => {
  await using archive = await newArchive();
  const path = join(archive.dir, "new", "deeper", "image.tar");
  const store = await openArchive(path, { create: true }, call);
  const coming: Promise<unknown>[] = [];
  // Each a little later than the last: some begin while the folders of the first are being made.
  for (let seed = 0; seed < 40; seed++) {
    coming.push(store.ingest(MediaType.layerTar, fromBytes(someBytes(1000, seed)), call));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(coming);
  await store[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(archive.dir), []);
});

test("what is in an archive stays: its images, and files of other tools", async () => {
  await using archive = await newArchive();
  const { pieces, manifest } = layoutPieces();
  const docker = { path: "manifest.json", bytes: Buffer.from("[]") };
  await writeFile(archive.path, tarOf([...[...pieces].map(([path, bytes]) => ({ path, bytes })), docker]));
  await chmod(archive.path, 0o640);
  await using store = await openArchive(archive.path, { create: true }, call);
  await store.tag("v2", await putLarge(store, 2), call);
  assert.deepEqual(await gather(store.can.tags?.list(call)), ["v1", "v2"]);
  assert.equal((await store.resolve("v1", call)).digest, manifest);
  const target = memoryStore();
  for (const tag of ["v1", "v2"]) await copy(store, tag, target, tag, {}, call);
  assert.ok((await readFile(archive.path)).includes("manifest.json"));
  assert.equal((await stat(archive.path)).mode & 0o777, 0o640);
});

test("a tag that is right already writes nothing", async () => {
  await using archive = await newArchive();
  const d = await putImage(archive.store);
  await archive.store.tag("v1", d, call);
  const { ino } = await stat(archive.path);
  await archive.store.tag("v1", d, call);
  await copy(archive.store, "v1", archive.store, "v1", {}, call);
  assert.equal((await stat(archive.path)).ino, ino);
});

test("writers of one archive, side by side: all that they wrote is there", async () => {
  await using archive = await newArchive();
  const stores = await Promise.all([1, 2, 3, 4].map(() => openArchive(archive.path, { create: true }, call)));
  await Promise.all(
    stores.map(async (store, i) => {
      const d = await putLarge(store, i);
      await store.tag(`v${i}`, d, call);
      await store[Symbol.asyncDispose]();
    }),
  );
  assert.deepEqual(await gather(archive.store.can.tags?.list(call)), ["v0", "v1", "v2", "v3"]);
  for (const i of [0, 1, 2, 3]) await copy(archive.store, `v${i}`, memoryStore(), "v", {}, call);
  assert.deepEqual(await archive.residue(), ["image.tar"]);
});

test("a reader goes on in the file that it began with", async () => {
  await using archive = await newArchive();
  const bytes = someBytes(3_000_000, 3);
  const layer = await archive.store.ingest(MediaType.layerTar, fromBytes(bytes), call);
  await archive.store.tag("v1", await putImage(archive.store), call);
  await using reader = await openArchive(archive.path, {}, call);
  const read: Buffer[] = [];
  for await (const chunk of reader.read(layer, call)) {
    if (read.length === 0) await archive.store.can.delete?.delete(layer, call);
    read.push(Buffer.from(chunk));
  }
  assert.ok(Buffer.concat(read).equals(bytes));
  assert.equal(await reader.has(layer, call), false, "the next look sees the new file");
});

test("an archive that lost what it had meanwhile is not written as if it were whole", async () => {
  await using archive = await newArchive();
  const d = await putImage(archive.store);
  await archive.store.tag("v1", d, call);
  await using store = await openArchive(archive.path, { create: true }, call);
  const source = memoryStore();
  await putImage(source);
  assert.equal(await store.has(d, call), true);
  await archive.store.can.delete?.delete(d, call);
  const other = await putImage(store, 2);
  assert.equal(await codeOf(store.tag("v2", other, call)), "not-found");
  assert.deepEqual(await gather(archive.store.can.tags?.list(call)), []);
});

test("an abort while the archive is written leaves the old one, and nothing beside it", async () => {
  await using archive = await newArchive();
  await archive.store.tag("v1", await putLarge(archive.store, 1), call);
  const before = await readFile(archive.path);
  const gone = new AbortController();
  const progress = {
    start: (name: string) => ({
      advance: () => name === "writing the archive" && gone.abort(),
      done() {},
      failed() {},
    }),
    say() {},
  };
  const d = await putLarge(archive.store, 2);
  assert.equal(await codeOf(archive.store.tag("v2", d, { signal: gone.signal, progress })), "aborted");
  assert.deepEqual(await readFile(archive.path), before);
  await archive.store[Symbol.asyncDispose]();
  assert.deepEqual(await archive.residue(), ["image.tar"]);
});

test("a link to an archive stays one, and an empty file becomes one", async () => {
  await using archive = await newArchive();
  const link = join(archive.dir, "link.tar");
  await writeFile(archive.path, "");
  await symlink(archive.path, link);
  await using store = await openArchive(link, { create: true }, call);
  const d = await putImage(store);
  await store.tag("v1", d, call);
  assert.deepEqual(await archive.residue(), ["image.tar", "link.tar"]);
  await using direct = await openArchive(archive.path, {}, call);
  assert.equal((await direct.resolve("v1", call)).digest, d.digest);
});

test("folders above a new archive are made, and go again where nothing came into it", async () => {
  await using archive = await newArchive();
  const path = join(archive.dir, "a", "b", "image.tar");
  await using store = await openArchive(path, { create: true }, call);
  const d = await putImage(store);
  await store[Symbol.asyncDispose]();
  assert.deepEqual(await archive.residue(), []);
  await using again = await openArchive(path, { create: true }, call);
  await again.can.roots?.add(await putImage(again), call);
  assert.deepEqual(await archive.residue(), ["a", "a/b", "a/b/image.tar"]);
  assert.equal((await again.resolve(d.digest, call)).mediaType, MediaType.manifest);
});
