import assert from "node:assert/strict";
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fromBytes, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { canonicalJson, type Descriptor, MediaType, type Store } from "../../src/oci/index.ts";
import { openLayout } from "../../src/store/index.ts";
import { IndexFile } from "../../src/store/layout-index-file.ts";

const call = quietCall();

async function imageIn(store: Store, name: string): Promise<Descriptor> {
  const config = await store.ingest(MediaType.config, fromBytes(canonicalJson({ name })), call);
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [] };
  return await store.ingest(MediaType.manifest, fromBytes(canonicalJson(manifest)), call);
}

/** A layout with one tag, whose index was written a minute ago. */
async function layoutIn(
  dir: string,
): Promise<{ store: Store; first: Descriptor; second: Descriptor; index: string }> {
  const store = await openLayout(dir, { create: true }, call);
  const [first, second] = [await imageIn(store, "first"), await imageIn(store, "other")];
  await store.tag("tag", first, call);
  const index = join(dir, "index.json");
  return { store, first, second, index };
}

/** Another tool's way of putting new bytes of the same length in the index's place. */
type Change = (index: string, text: string) => Promise<void>;
const changes: Readonly<Record<string, Change>> = {
  "is replaced by a rename": async (index, text) => {
    await writeFile(`${index}.new`, text);
    await rename(`${index}.new`, index);
  },
  "is written over in its place": (index, text) => writeFile(index, text),
  "is removed and made again": async (index, text) => {
    await rm(index);
    await writeFile(index, text);
  },
  "keeps its old time stamp": async (index, text) => {
    const { atime, mtime } = await stat(index);
    await writeFile(index, text);
    await utimes(index, atime, mtime);
  },
};

for (const [what, change] of Object.entries(changes)) {
  test(`an index that ${what} is read anew, at once`, async () => {
    await using folder = await temporaryFolder(tmpdir(), "imgvol-index-");
    const { store, first, second, index } = await layoutIn(folder.path);
    const texts = [await readFile(index, "utf8")];
    texts.push(texts[0]?.replaceAll(first.digest, second.digest) ?? "");
    assert.equal(texts[0]?.length, texts[1]?.length);
    for (let round = 0; round < 6; round++) {
      await change(index, texts[round % 2] ?? "");
      const wanted = round % 2 === 0 ? first : second;
      // At the second change what was read has lain there for a while, and is kept; at the others it has not.
      if (round === 1) await settled(index);
      for (let again = 0; again < 3; again++) {
        assert.equal((await store.resolve("tag", call)).digest, wanted.digest, `round ${round}`);
      }
    }
  });
}

/** Done when the index was changed long enough ago for its time stamp to tell the next change. */
async function settled(index: string): Promise<void> {
  while (Date.now() - (await stat(index)).ctimeMs < 150)
    await new Promise((resolve) => setTimeout(resolve, 10));
}

test("an index that lies unchanged is parsed once; one of this very moment each time", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-index-");
  await mkdir(join(folder.path, "layout"));
  const { index } = await layoutIn(join(folder.path, "layout"));
  const file = new IndexFile(index);
  const past = new Date(Date.now() + 60_000);
  await utimes(index, past, past);
  assert.notEqual(
    await file.read(call),
    await file.read(call),
    "a stamp that may yet come again stands for nothing",
  );
  const now = new Date(Date.now() - 60_000);
  await utimes(index, now, now);
  // The change of its times was a change, too.
  await settled(index);
  const kept = await file.read(call);
  assert.equal(await file.read(call), kept);
});

test("a blob is known by its size alone: what looks like a manifest is not read", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-index-");
  const { store, first } = await layoutIn(folder.path);
  assert.deepEqual(await store.can.stat?.blob(first.digest, call), {
    mediaType: "application/octet-stream",
    digest: first.digest,
    size: first.size,
  });
  await assert.rejects(async () => store.can.stat?.blob(`sha256:${"0".repeat(64)}`, call), {
    code: "not-found",
  });
});
