import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { fromBytes, ImgvolError, quietCall } from "../../src/base/index.ts";
import { MediaType } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { layersTree, tarTree } from "../../src/tree/index.ts";
import { archive } from "./archive.ts";
import { listing } from "./listing.ts";

const call = quietCall();
const whole = archive([
  "dir d",
  "file d/a content",
  "symlink l d",
  "hardlink h d/a",
  "file l/b more",
  "file .wh.x ",
]);
const forms = [whole, gzipSync(whole), zstdCompressSync(whole)];

// An edit: a place, how many bytes go, and what comes instead.
const edit = fc.tuple(fc.nat(10_000), fc.nat(600), fc.uint8Array({ maxLength: 40 }));

function broken(form: Buffer, edits: readonly (readonly [number, number, Uint8Array])[]): Buffer {
  return edits.reduce((bytes, [place, gone, instead]) => {
    const at = place % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), instead, bytes.subarray(at + gone)]);
  }, form);
}

async function survives(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    assert.ok(error instanceof ImgvolError, `not a coded error: ${error}`);
  }
}

test("whatever is broken in an archive or layer, the outcome is a tree or a coded error", async () => {
  const property = fc.asyncProperty(
    fc.constantFrom(...forms),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
    async (form, edits) => {
      const bytes = broken(form, edits);
      const store = memoryStore();
      const layer = await store.ingest(MediaType.layerGzip, fromBytes(bytes), call);
      await survives(() => listing(layersTree(store, [layer, layer])));
      await survives(async () => {
        await using spooled = await tarTree(fromBytes(bytes).open(0, call), {}, call);
        await listing(spooled.tree);
      });
    },
  );
  await fc.assert(property, { numRuns: 250 });
});
