import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import {
  canonicalJson,
  type Descriptor,
  MediaType,
  parseReference,
  type Store,
} from "../../src/oci/index.ts";
import { memoryStore, wantedIn } from "../../src/store/index.ts";
import { type Fixture, putImage } from "../contract/store.ts";
import { newArchive } from "./archive-file.ts";
import { newLayout } from "./layout-folder.ts";

const call = quietCall();

/** A layout or archive into which images were copied, each under a tag or none, with what refers to them. */
async function holding(
  into: Fixture,
  images: readonly { readonly tag?: string; readonly referrers: number }[],
): Promise<readonly Descriptor[]> {
  const source = memoryStore();
  const roots: Descriptor[] = [];
  for (const [seed, { tag, referrers }] of images.entries()) {
    const image = await putImage(source, seed);
    for (let n = 0; n < referrers; n++) await putReferrer(source, image, n);
    await copy(source, image.digest, into.store, tag, { referrers: true }, call);
    roots.push(image);
  }
  return roots;
}

async function putReferrer(store: Store, subject: Descriptor, n: number): Promise<void> {
  const config = await store.ingest(MediaType.empty, fromBytes(Buffer.from("{}")), call);
  const manifest = {
    ...{ schemaVersion: 2, mediaType: MediaType.manifest, artifactType: "application/x.sbom" },
    ...{ config, layers: [], subject, annotations: { n: `${n}` } },
  };
  await store.ingest(MediaType.manifest, fromBytes(canonicalJson(manifest)), call);
}

type Images = Parameters<typeof holding>[1];
const cases: readonly (readonly [what: string, images: Images, meant: number | "latest"])[] = [
  ["nothing", [], "latest"],
  ["one image without a tag", [{ referrers: 0 }], 0],
  ["one image by another tag", [{ tag: "v1", referrers: 0 }], 0],
  ["one image, signed and with an SBOM", [{ referrers: 2 }], 0],
  ["one image by another tag, signed", [{ tag: "v1", referrers: 1 }], 0],
  ["two images", [{ referrers: 0 }, { tag: "v1", referrers: 1 }], "latest"],
];
const kinds: Readonly<Record<string, () => Promise<Fixture>>> = { layout: newLayout, archive: newArchive };

for (const [kind, make] of Object.entries(kinds)) {
  for (const [what, images, meant] of cases) {
    const told = meant === "latest" ? "latest is asked for" : "that image is meant";
    test(`of a ${kind} with ${what}, ${told} where nothing is named`, async () => {
      await using fixture = await make();
      const there = await holding(fixture, images);
      const expected = meant === "latest" ? "latest" : there[meant]?.digest;
      const bare = parseReference("oci:./x");
      assert.equal(await wantedIn(bare, fixture.store, call), expected);
      const tagged = parseReference("oci:./x:v7");
      assert.equal(await wantedIn(tagged, fixture.store, call), "v7");
    });
  }
}

test("what cannot be read may be an image, too: then none is taken for granted", async () => {
  await using fixture = await newLayout();
  await holding(fixture, [{ referrers: 0 }]);
  const odd = { mediaType: "application/x.thing", digest: (await putImage(fixture.store, 9)).digest };
  const { size } = await fixture.store.resolve(odd.digest, call);
  await fixture.store.can.roots?.add({ ...odd, size }, call);
  assert.equal(await wantedIn(parseReference("oci:./x"), fixture.store, call), "latest");
});
