import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, type ImgvolError, Network, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import type { Descriptor, Store } from "../../src/oci/index.ts";
import { openRemote } from "../../src/remote/index.ts";
import { startRegistry } from "../../src/serve/index.ts";
import { memoryStore, openArchive, openLayout, readManifest } from "../../src/store/index.ts";
import { codeOf, putImage } from "../contract/store.ts";
import { peer, reply } from "../remote/peer.ts";

const call = quietCall();

/** A store on the disk: opened anew each time, as by another process. */
interface Place {
  open(): Promise<Store>;
  /** The file that has a content's bytes. */
  file(d: Descriptor): string;
}

const blobIn = (layout: string, d: Descriptor): string => join(layout, "blobs", ...d.digest.split(":"));

/** Over a folder of its own. */
async function aRegistry(dir: string): Promise<Place & AsyncDisposable> {
  const registry = await startRegistry({ host: "127.0.0.1", port: 0, dir, grace: 0 }, call);
  const network = new Network({ env: {} });
  return {
    open: async () =>
      openRemote(
        { registry: `127.0.0.1:${registry.port}`, repository: "a/b" },
        { network, retry: { delay: 1 } },
      ),
    file: (d) => blobIn(join(dir, "a/b/_layout"), d),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

const places: readonly [string, (dir: string) => Promise<Place & Partial<AsyncDisposable>>][] = [
  [
    "a layout",
    async (dir) => ({
      open: () => openLayout(join(dir, "layout"), { create: true }, call),
      file: (d) => blobIn(join(dir, "layout"), d),
    }),
  ],
  [
    "an archive",
    async (dir) => ({
      open: () => openArchive(join(dir, "a.tar"), { create: true }, call),
      file: () => join(dir, "a.tar"),
    }),
  ],
  ["a registry", aRegistry],
];

async function bytesOf(store: Store, d: Descriptor): Promise<Buffer> {
  return Buffer.from(await collect(store.read(d, call), 1 << 20, d.digest));
}

/** Changes content where it lies, or cuts it: an archive has no end of one content that could be cut. */
async function damage(file: string, content: Buffer, to: number | undefined): Promise<void> {
  const bytes = await readFile(file);
  const at = bytes.indexOf(content);
  assert.notEqual(at, -1);
  bytes[at] = (content[0] ?? 0) ^ 1;
  await writeFile(file, to === undefined ? bytes : bytes.subarray(0, at + to));
}

for (const [name, make] of places) {
  test(`what is damaged in ${name} is sent again by a copy that is told to, and is right then`, async () => {
    await using source = memoryStore();
    const image = await putImage(source, 1);
    await source.tag("1", image, call);
    const { view } = await readManifest(source, image, call);
    assert.ok(view.kind === "manifest");
    for (const wrong of [image, view.config, ...view.layers]) {
      for (const to of name === "an archive" ? [undefined] : [undefined, 5]) {
        await using folder = await temporaryFolder(tmpdir(), "imgvol-damaged-");
        const place = await make(folder.path);
        try {
          await using first = await place.open();
          await copy(source, "1", first, "1", {}, call);
          await damage(place.file(wrong), await bytesOf(source, wrong), to);
          await using broken = await place.open();
          await assert.rejects(bytesOf(broken, wrong), (error: ImgvolError) => {
            assert.match(error.code, /^(?:size|digest)-mismatch$/);
            assert.ok(error.hint?.includes(`imgvol copy --force GOOD ${broken.origin}:TAG`), error.hint);
            return true;
          });
          await using again = await place.open();
          const { copied } = await copy(source, "1", again, "1", { force: true }, call);
          assert.equal(copied, 3);
          await using mended = await place.open();
          for (const d of [image, view.config, ...view.layers]) {
            assert.equal(Buffer.compare(await bytesOf(mended, d), await bytesOf(source, d)), 0);
          }
        } finally {
          await place[Symbol.asyncDispose]?.();
        }
      }
    }
  });
}

test("what was cut or is another manifest in a registry does not keep an image from being sent there again", async () => {
  await using source = memoryStore();
  const image = await putImage(source, 1);
  await source.tag("1", image, call);
  const { view } = await readManifest(source, image, call);
  assert.ok(view.kind === "manifest");
  const [layer] = view.layers;
  assert.ok(layer !== undefined);
  for (const [wrong, to] of [
    [image, 5],
    [image, undefined],
    [layer, 5],
  ] as const) {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-damaged-");
    await using place = await aRegistry(folder.path);
    await using first = await place.open();
    await copy(source, "1", first, "1", {}, call);
    await damage(place.file(wrong), await bytesOf(source, wrong), to);
    await using again = await place.open();
    await copy(source, "1", again, "2", {}, call);
    await using mended = await place.open();
    assert.equal(Buffer.compare(await bytesOf(mended, wrong), await bytesOf(source, wrong)), 0);
  }
});

test("a registry that takes what mends it, and keeps what it has, is said to", async () => {
  await using source = memoryStore();
  const image = await putImage(source, 1);
  const { view } = await readManifest(source, image, call);
  assert.ok(view.kind === "manifest");
  const [layer] = view.layers;
  assert.ok(layer !== undefined);
  for (const wrong of [image, layer]) {
    const kept = (await bytesOf(source, wrong)).subarray(0, 5);
    await using stubborn = await peer(({ method, path }, response) => {
      if (method === "POST") reply(response, 202, { location: "/v2/a/b/blobs/uploads/1" });
      else if (method === "PATCH") reply(response, 202, { location: "/v2/a/b/blobs/uploads/1" });
      else if (method === "PUT") reply(response, 201);
      else if (path.endsWith(wrong.digest)) reply(response, 200, { "content-length": "5" }, kept);
      else reply(response, method === "HEAD" ? 200 : 404);
    });
    await using destination = stubborn.open();
    await assert.rejects(
      copy(source, image.digest, destination, undefined, {}, call),
      (error: ImgvolError) => {
        assert.equal(error.code, "upload-failed");
        assert.match(
          error.message,
          /^destination .* took sha256:.*, and still gives what was damaged there$/,
        );
        assert.match(error.hint ?? "", /have its operator delete/);
        return true;
      },
    );
  }
});

test("a destination's digest is what is copied, or nothing is", async () => {
  await using source = memoryStore();
  await using destination = memoryStore();
  const image = await putImage(source, 1);
  const other = await putImage(source, 2);
  const into = (digest: Descriptor["digest"]): Promise<unknown> =>
    copy(source, image.digest, destination, undefined, { digest }, call);
  assert.equal(await codeOf(into(other.digest)), "destination-pinned");
  assert.equal(await destination.has(image, call), false);
  assert.equal(await codeOf(into(image.digest)), "none");
  assert.equal(await destination.has(image, call), true);
});
