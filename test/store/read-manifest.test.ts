import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { type Descriptor, digestOf, MediaType, type Platform, parsePlatform } from "../../src/oci/index.ts";
import { memoryStore, readConfig, readSmall, resolveManifest } from "../../src/store/index.ts";
import { codeOf, putImage } from "../contract/store.ts";

const call = quietCall();

const cases: readonly [string, readonly (string | undefined)[], string, number | string][] = [
  ["the platform asked for", ["linux/amd64", "linux/arm64"], "linux/arm64", 1],
  ["arm64 and arm64/v8 are one", ["linux/amd64", "linux/arm64/v8"], "linux/arm64", 1],
  ["the plain one before a variant", ["linux/amd64/v3", "linux/amd64"], "linux/amd64", 1],
  ["the first of equals", ["linux/amd64", "linux/amd64"], "linux/amd64", 0],
  ["no platform serves where no other does", ["linux/s390x", undefined], "linux/amd64", 1],
  ["a match before no platform", [undefined, "linux/amd64"], "linux/amd64", 1],
  ["attestations are no platform", ["unknown/unknown"], "linux/amd64", "it has unknown/unknown"],
  ["none", ["linux/amd64", "windows/amd64"], "linux/riscv64", "it has linux/amd64, windows/amd64"],
  ["an empty index", [], "linux/amd64", "the index is empty"],
];

for (const [what, platforms, wanted, expected] of cases) {
  test(`which manifest of an index: ${what}`, async () => {
    const store = memoryStore();
    const manifests: Descriptor[] = [];
    for (const [i, text] of platforms.entries()) {
      const d = await putImage(store, i + 1);
      const platform: Platform | undefined = text === undefined ? undefined : parsePlatform(text);
      manifests.push(platform === undefined ? d : { ...d, platform });
    }
    const json = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests });
    const index = await store.ingest(MediaType.index, fromBytes(Buffer.from(json)), call);
    await store.tag("v1", index, call);
    const found = resolveManifest(store, "v1", call, parsePlatform(wanted));
    if (typeof expected === "string") {
      await assert.rejects(found, { code: "platform-missing", hint: expected });
      return;
    }
    const { descriptor, root, manifest, bytes } = await found;
    assert.equal(descriptor.digest, manifests[expected]?.digest);
    assert.equal(root.digest, index.digest);
    assert.equal(digestOf(bytes), descriptor.digest);
    assert.deepEqual((await readConfig(store, manifest, call)).env, new Map());
  });
}

test("a manifest named directly is taken as it is", async () => {
  const store = memoryStore();
  const d = await putImage(store);
  const found = await resolveManifest(store, d.digest, call, parsePlatform("plan9/mips"));
  assert.deepEqual([found.descriptor, found.root], [d, d]);
});

test("what is no manifest, or too large, is an error before it is read", async () => {
  const store = memoryStore();
  const blob = await store.ingest(MediaType.layerTar, fromBytes(Buffer.from("{}")), call);
  assert.equal(await codeOf(resolveManifest(store, blob.digest, call)), "media-type-unknown");
  assert.equal(await codeOf(readSmall(store, { ...blob, size: 4 * 1024 * 1024 + 1 }, call)), "too-large");
  assert.equal(await codeOf(readSmall(store, blob, call, 1)), "too-large");
});
