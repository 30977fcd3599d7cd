import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ByteSource,
  type Call,
  collect,
  fromBytes,
  type Progress,
  quietCall,
} from "../../src/base/index.ts";
import { decode, type LayerFormat } from "../../src/codec/index.ts";
import { digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import type { Entry } from "../../src/tar/index.ts";
import { type Tree, writeLayer } from "../../src/tree/index.ts";
import { noise, prose } from "../codec/streams.ts";
import { file, read } from "../tar/entries.ts";

const MIB = 1 << 20;
const common = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
const entries: readonly Entry[] = [
  { ...common, mode: 0o755, type: "dir", path: "d" },
  file("d/text", prose(2.3 * MIB)),
  file("d/noise", noise(1.6 * MIB)),
  ...Array.from({ length: 3000 }, (_, i) => file(`d/small-${String(i).padStart(4, "0")}`, `content of ${i}`)),
  { ...common, type: "hardlink", path: "d/z", target: "d/text" },
  { ...common, type: "symlink", path: "link", target: "d/text" },
];
const tree: Tree = () => each(entries);

async function* each(items: readonly Entry[]): AsyncGenerator<Entry> {
  yield* items;
}

const FORMATS = {
  none: MediaType.layerTar,
  gzip: MediaType.layerGzip,
  auto: MediaType.layerGzip,
  zstd: MediaType.layerZstd,
} as const satisfies Record<LayerFormat["compression"], string>;

for (const [compression, mediaType] of Object.entries(FORMATS) as [keyof typeof FORMATS, string][]) {
  test(`a layer, ${compression}: its digests, size and counts are what the store holds`, async () => {
    await using store = memoryStore();
    const layer = await writeLayer(store, tree, { compression }, quietCall());
    assert.equal(layer.descriptor.mediaType, mediaType);
    const blob = await collect(store.read(layer.descriptor, quietCall()), 1e8, "it");
    assert.equal(blob.length, layer.descriptor.size);
    assert.equal(digestOf(blob), layer.descriptor.digest);
    const kind = compression === "auto" ? "gzip" : compression;
    const tar = await collect(decode(fromBytes(blob).open(0, quietCall()), kind, quietCall()), 1e8, "it");
    assert.equal(digestOf(tar), layer.diffId);
    assert.equal(tar.length, layer.bytes);
    assert.equal(layer.entries, entries.length);
    const found = read(tar);
    assert.deepEqual(
      found.map((f) => f.header.path.replace(/\/$/, "")),
      entries.map((e) => e.path),
    );
    assert.ok(found[2]?.content.equals(noise(1.6 * MIB)));
    assert.deepEqual(layer.told, []);
  });
}

test("the diff_id is the same whatever the format, and golden", async () => {
  await using store = memoryStore();
  for (const compression of ["none", "gzip", "auto", "zstd"] as const) {
    const { diffId } = await writeLayer(store, tree, { compression }, quietCall());
    assert.equal(diffId, "sha256:78b68aac9d2f11cd9d8a850a1267d39d50f455c88e729dff2de2553a1da6bd58");
  }
});

test("the chunks of a file's body do not matter", async () => {
  await using store = memoryStore();
  const bytes = prose(3 * MIB);
  const digests = new Set<string>();
  for (const step of [1, 4099, 700_000, 1 << 30]) {
    const body: ByteSource = {
      async *open() {
        // Each chunk in the same buffer, as a file's body may do.
        const buffer = Buffer.alloc(Math.min(step, 64 * 1024));
        const end = step === 1 ? 10_000 : bytes.length;
        for (let at = 0; at < end; at += buffer.length) {
          const part = bytes.subarray(at, Math.min(end, at + buffer.length));
          buffer.set(part);
          yield buffer.subarray(0, part.length);
        }
        buffer.fill(0xee);
        if (step === 1) yield bytes.subarray(end);
      },
    };
    const one: Tree = () => each([{ ...common, type: "file", path: "f", size: bytes.length, body }]);
    digests.add((await writeLayer(store, one, { compression: "auto" }, quietCall())).descriptor.digest);
  }
  assert.equal(digests.size, 1);
});

/**
 * A store that is asked to take the same source several times, as one whose connection is cut asks: the bytes up to each cut
 * come from one opening, the rest from the next.
 */
function cutting(store: Store, cuts: readonly number[]): Store {
  const reopened = (source: ByteSource): ByteSource => ({
    async *open(_, call) {
      let at = 0;
      for (const cut of [...cuts, Number.POSITIVE_INFINITY]) {
        for await (const chunk of source.open(at, call)) {
          const part = chunk.subarray(0, Math.min(chunk.length, cut - at));
          at += part.length;
          yield part;
          if (at === cut) break;
        }
      }
    },
  });
  return {
    origin: store.origin,
    can: store.can,
    resolve: (name, call) => store.resolve(name, call),
    has: (d, call) => store.has(d, call),
    read: (d, call, from) => store.read(d, call, from),
    put: (d, source, call) => store.put(d, reopened(source), call),
    ingest: (mediaType, source, call) => store.ingest(mediaType, reopened(source), call),
    tag: (name, d, call) => store.tag(name, d, call),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

for (const compression of ["none", "gzip", "auto", "zstd"] as const) {
  test(`${compression}: a connection that is cut again and again changes nothing`, async () => {
    await using store = memoryStore();
    const plain = await writeLayer(store, tree, { compression }, quietCall());
    const cuts = [0, 1, 9, 10, 11, 65_536, 400_001, 400_001];
    await using flaky = cutting(memoryStore(), cuts);
    assert.deepEqual(await writeLayer(flaky, tree, { compression }, quietCall()), plain);
  });
}

test("a file that changes between two passes is told, though its size is the same", async () => {
  let pass = 0;
  const changing: Tree = () => each([file("f", noise(4 * MIB, `pass ${pass++}`))]);
  await using flaky = cutting(memoryStore(), [3 * MIB]);
  await assert.rejects(writeLayer(flaky, changing, { compression: "auto" }, quietCall()), {
    code: "file-changed",
  });
});

for (const [what, size] of [
  ["shorter", 11],
  ["longer", 9],
  ["empty", 0],
] as const) {
  test(`a file is not as its entry says: ${what}`, async () => {
    await using store = memoryStore();
    const wrong: Tree = () =>
      each([
        file("a"),
        { ...common, type: "file", path: "the\u001bfile", size, body: fromBytes(Buffer.from("ten bytes!")) },
      ]);
    await assert.rejects(writeLayer(store, wrong, { compression: "gzip" }, quietCall()), (error: Error) => {
      assert.equal(Reflect.get(error, "code"), "file-changed");
      assert.match(error.message, /the\\u\{1b\}file/);
      return true;
    });
  });
}

/** Adds up what it is told. */
function counter(): Progress & { readonly seen: { advanced: number; ended: string[] } } {
  const seen = { advanced: 0, ended: [] as string[] };
  return {
    seen,
    say() {},
    start: () => ({
      advance(by) {
        seen.advanced += by;
      },
      done: () => void seen.ended.push("done"),
      failed: () => void seen.ended.push("failed"),
    }),
  };
}

test("progress counts the tar's bytes once, cut or not", async () => {
  const progress = counter();
  await using flaky = cutting(memoryStore(), [1000, 500_000]);
  const layer = await writeLayer(flaky, tree, { compression: "gzip" }, { ...quietCall(), progress });
  assert.deepEqual(progress.seen, { advanced: layer.bytes, ended: ["done"] });
});

test("an abort ends it: the tree is closed, nothing is stored, the task has failed", async () => {
  const controller = new AbortController();
  const progress = counter();
  let closed = false;
  const endless: Tree = async function* () {
    try {
      for (let i = 0; ; i++) {
        if (i === 50) controller.abort();
        yield file(`f${i}`, prose(100_000));
      }
    } finally {
      closed = true;
    }
  };
  const call: Call = { signal: controller.signal, progress };
  await using store = memoryStore();
  await assert.rejects(writeLayer(store, endless, { compression: "auto" }, call), { name: "AbortError" });
  assert.ok(closed);
  assert.deepEqual(progress.seen.ended, ["failed"]);
});

test("an empty tree is a layer too", async () => {
  await using store = memoryStore();
  const layer = await writeLayer(store, () => each([]), { compression: "none" }, quietCall());
  assert.deepEqual([layer.entries, layer.bytes, layer.descriptor.size], [0, 1024, 1024]);
  assert.equal(layer.diffId, digestOf(new Uint8Array(1024)));
});
