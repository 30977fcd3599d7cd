import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  type ByteSource,
  collect,
  fromBytes,
  ImgvolError,
  isAbort,
  quietCall,
} from "../../src/base/index.ts";
import { type Descriptor, type Digest, digestOf, MediaType, type Store } from "../../src/oci/index.ts";

/** A store to be tried, fresh for each test. */
export interface Fixture extends AsyncDisposable {
  readonly store: Store;
  /** What a write left behind: the paths or keys of everything there, to be the same after a failed write. */
  residue?(): Promise<readonly string[]>;
}

export interface ContractOptions {
  /** Whether content may be named by sha512 (default true). */
  readonly sha512?: boolean;
}

const call = quietCall();
const LIMIT = 64 * 1024 * 1024;

/** Bytes that no one can mistake for others: `size` of them, from a simple generator. */
export function someBytes(size: number, seed = 1): Uint8Array {
  const bytes = Buffer.alloc(size);
  let state = seed * 2654435761 + 12345;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function layerOf(bytes: Uint8Array): Descriptor {
  return { mediaType: MediaType.layerTar, digest: digestOf(bytes), size: bytes.length };
}

/** A source that cuts its bytes into pieces of `size` and hands them all out in the same buffer. */
export function pieces(bytes: Uint8Array, size: number): ByteSource {
  return {
    size: bytes.length,
    async *open(offset) {
      const buffer = Buffer.alloc(size);
      for (let at = offset; at < bytes.length; at += size) {
        const piece = bytes.subarray(at, at + size);
        buffer.set(piece);
        yield buffer.subarray(0, piece.length);
        buffer.fill(0);
      }
    },
  };
}

/** Stores an image of one layer, children first; the manifest's bytes have white space that must survive. */
export async function putImage(store: Store, seed = 1): Promise<Descriptor> {
  const layer = await store.ingest(MediaType.layerTar, fromBytes(someBytes(2000, seed)), call);
  const config = await store.ingest(MediaType.config, fromBytes(Buffer.from(`{"seed":${seed}}`)), call);
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [layer] };
  const bytes = Buffer.from(`${JSON.stringify(manifest, undefined, "   ")}\n`);
  return await store.ingest(MediaType.manifest, fromBytes(bytes), call);
}

export async function codeOf(work: Promise<unknown> | (() => Promise<unknown>)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (isAbort(error)) return "aborted";
    return error instanceof ImgvolError ? error.code : `${error}`;
  }
  return "none";
}

export async function gather<T>(items: AsyncIterable<T> | undefined): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items ?? []) all.push(item);
  return all;
}

/** What every store must do, whatever it lies on. */
export function storeContract(
  name: string,
  make: () => Promise<Fixture>,
  options: ContractOptions = {},
): void {
  const it = (what: string, run: (store: Store, fixture: Fixture) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      await using fixture = await make();
      await run(fixture.store, fixture);
    });
  };
  const read = (store: Store, d: Descriptor, from?: number): Promise<Uint8Array> =>
    collect(store.read(d, call, from), LIMIT, "content");

  it("what is put can be read, from any offset", async (store) => {
    const bytes = someBytes(300_000);
    const d = layerOf(bytes);
    assert.equal(await store.has(d, call), false);
    await store.put(d, fromBytes(bytes), call);
    assert.equal(await store.has(d, call), true);
    for (const from of [0, 1, 262_144, 299_999, 300_000]) {
      assert.deepEqual(Buffer.from(await read(store, d, from)), bytes.subarray(from), `from ${from}`);
    }
    assert.equal(await codeOf(read(store, d, 300_001)), "size-mismatch");
  });

  it("sources that reuse their buffer, in pieces of any size", async (store) => {
    const bytes = someBytes(70_001, 3);
    for (const size of [1009, 65_536, 70_001]) {
      const d = await store.ingest(MediaType.layerTar, pieces(bytes, size), call);
      assert.deepEqual(d, layerOf(bytes));
      assert.deepEqual(Buffer.from(await read(store, d)), bytes);
    }
  });

  it("content without a byte", async (store) => {
    const d = await store.ingest(MediaType.layerTar, fromBytes(new Uint8Array()), call);
    assert.deepEqual(d, layerOf(new Uint8Array()));
    assert.equal((await read(store, d)).length, 0);
  });

  it("what is not there is not-found", async (store) => {
    const d = layerOf(someBytes(10, 9));
    assert.equal(await codeOf(read(store, d)), "not-found");
    assert.equal(await codeOf(store.resolve("no-such-tag", call)), "not-found");
    assert.equal(await codeOf(store.resolve(d.digest, call)), "not-found");
  });

  it("wrong content is refused, and nothing of it stays", async (store, { residue }) => {
    await putImage(store);
    const bytes = someBytes(100_000, 4);
    const d = layerOf(bytes);
    const changed = Buffer.from(bytes);
    changed[99_999] = 255 - (changed[99_999] ?? 0);
    const before = await residue?.();
    const cases: readonly [string, ByteSource, string][] = [
      ["another digest", pieces(changed, 4096), "digest-mismatch"],
      ["cut", pieces(bytes.subarray(0, 50_000), 4096), "size-mismatch"],
      ["empty", fromBytes(new Uint8Array()), "size-mismatch"],
      ["a byte more", pieces(Buffer.concat([bytes, Buffer.from("x")]), 4096), "size-mismatch"],
      ["endless", endless(), "size-mismatch"],
      ["breaking", breaking(bytes), "Error: the source broke"],
    ];
    for (const [what, source, code] of cases) {
      assert.equal(await codeOf(store.put(d, source, call)), code, what);
      assert.equal(await store.has(d, call), false, what);
      assert.deepEqual(await residue?.(), before, what);
    }
    assert.equal(
      await codeOf(store.ingest(MediaType.layerTar, breaking(bytes), call)),
      "Error: the source broke",
    );
    assert.deepEqual(await residue?.(), before);
    await store.put(d, fromBytes(bytes), call);
    assert.equal(await store.has(d, call), true);
  });

  it("an abort in the middle leaves nothing", async (store, { residue }) => {
    await putImage(store);
    const bytes = someBytes(1_000_000, 5);
    const before = await residue?.();
    const gone = new AbortController();
    const source: ByteSource = {
      async *open() {
        yield bytes.subarray(0, 500_000);
        gone.abort();
        yield bytes.subarray(500_000);
      },
    };
    assert.equal(await codeOf(store.put(layerOf(bytes), source, { signal: gone.signal })), "aborted");
    assert.equal(await store.has(layerOf(bytes), call), false);
    assert.deepEqual(await residue?.(), before);
    assert.equal(
      await codeOf(store.ingest(MediaType.layerTar, fromBytes(bytes), { signal: gone.signal })),
      "aborted",
    );
  });

  it("the same content, twice and eight times at once", async (store) => {
    const bytes = someBytes(200_000, 6);
    const d = layerOf(bytes);
    await Promise.all(Array.from({ length: 8 }, (_, i) => store.put(d, pieces(bytes, 1000 + 777 * i), call)));
    await store.put(d, fromBytes(bytes), call);
    assert.deepEqual(await store.ingest(MediaType.layerTar, fromBytes(bytes), call), d);
    assert.deepEqual(Buffer.from(await read(store, d)), bytes);
  });

  it("tags name manifests, move, and resolve as their digests do", async (store) => {
    const one = await putImage(store, 1);
    const two = await putImage(store, 2);
    await store.tag("v1", one, call);
    await store.tag("latest", one, call);
    await store.tag("latest", two, call);
    await store.tag("latest", two, call);
    for (const [wanted, d] of [
      ["v1", one],
      ["latest", two],
      [one.digest, one],
    ] as const) {
      const { mediaType, digest, size } = await store.resolve(wanted, call);
      assert.deepEqual({ mediaType, digest, size }, d, wanted);
    }
    assert.equal(digestOf(await read(store, one)), one.digest);
    assert.match(Buffer.from(await read(store, one)).toString(), /^\{\n {3}"schemaVersion"[\s\S]*\n$/);
    if (store.can.tags !== undefined) {
      assert.deepEqual(await gather(store.can.tags.list(call)), ["latest", "v1"]);
    }
  });

  it("a tag needs a good name, a manifest's type and content that is there", async (store) => {
    const d = await putImage(store);
    const missing: Descriptor = { ...d, digest: digestOf(Buffer.from("missing")), size: 7 };
    assert.equal(await codeOf(store.tag("v1", missing, call)), "not-found");
    assert.equal(
      await codeOf(store.tag("v1", { ...d, mediaType: MediaType.layerTar }, call)),
      "media-type-unknown",
    );
    for (const bad of ["", ".v1", "-v1", "a/b", "a b", "a".repeat(129), "../x"]) {
      assert.equal(await codeOf(store.tag(bad, d, call)), "reference-invalid", bad);
    }
    assert.equal(await codeOf(store.resolve("v1", call)), "not-found");
  });

  it("what can be deleted is gone, with its tags", async (store) => {
    const deletes = store.can.delete;
    if (deletes === undefined) return;
    const one = await putImage(store, 1);
    const two = await putImage(store, 2);
    await store.tag("a", one, call);
    await store.tag("b", one, call);
    await store.tag("c", two, call);
    await deletes.untag("a", call);
    assert.equal(await codeOf(store.resolve("a", call)), "not-found");
    assert.equal((await store.resolve("b", call)).digest, one.digest);
    await deletes.delete(one, call);
    assert.equal(await codeOf(store.resolve("b", call)), "not-found");
    assert.equal(await codeOf(store.resolve(one.digest, call)), "not-found");
    assert.equal(await store.has(one, call), false);
    assert.equal((await store.resolve("c", call)).digest, two.digest);
    assert.equal(await codeOf(deletes.untag("a", call)), "not-found");
    assert.equal(await codeOf(deletes.delete(one, call)), "not-found");
  });

  it("referrers are listed by subject and type, with what lists show", async (store) => {
    const { referrers } = store.can;
    if (referrers === undefined) return;
    const subject = await putImage(store, 1);
    await store.tag("v1", subject, call);
    const put = async (value: object): Promise<Descriptor> =>
      await store.ingest(MediaType.manifest, fromBytes(Buffer.from(JSON.stringify(value))), call);
    const config = await store.ingest("application/x.config", fromBytes(Buffer.from("{}")), call);
    const common = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [], subject };
    const one = await put({ ...common, artifactType: "application/x.sbom", annotations: { about: "one" } });
    const two = await put(common);
    await put({ ...common, subject: layerOf(someBytes(9, 9)) });
    for (const d of [one, two]) await referrers.enlist?.(subject.digest, d, call);
    const listed = async (type?: string): Promise<readonly Descriptor[]> => {
      const found = await gather(referrers.referrers(subject.digest, call, type));
      return found.toSorted((a, b) => (a.artifactType ?? "").localeCompare(b.artifactType ?? "", "en"));
    };
    const asOne = { ...one, artifactType: "application/x.sbom", annotations: { about: "one" } };
    assert.deepEqual(await listed(), [{ ...two, artifactType: "application/x.config" }, asOne]);
    assert.deepEqual(await listed("application/x.sbom"), [asOne]);
    assert.deepEqual(await listed("application/x.none"), []);
    await store.tag("v2", subject, call);
    assert.equal((await listed()).length, 2);
    await store.can.delete?.delete(one, call);
    if (store.can.delete)
      assert.deepEqual(
        (await listed()).map((d) => d.digest),
        [two.digest],
      );
    assert.deepEqual(await gather(referrers.referrers(two.digest, call)), []);
  });

  it("what is listed without a tag is a root, once", async (store) => {
    const { roots } = store.can;
    if (roots === undefined) return;
    const [one, two] = [await putImage(store, 1), await putImage(store, 2)];
    await roots.add(one, call);
    await roots.add(one, call);
    await store.tag("two", two, call);
    await roots.add(two, call);
    const found = await gather(roots.list(call));
    assert.deepEqual(found.map((d) => d.digest).sort(), [one.digest, two.digest].sort());
    const { mediaType, digest, size } = await store.resolve(one.digest, call);
    assert.deepEqual({ mediaType, digest, size }, one);
    const missing = { ...one, digest: digestOf(Buffer.from("missing")) };
    assert.equal(await codeOf(roots.add(missing, call)), "not-found");
  });

  if (options.sha512 === false) return;
  it("sha512", async (store) => {
    const bytes = someBytes(5000, 8);
    const digest: Digest = `sha512:${createHash("sha512").update(bytes).digest("hex")}`;
    const d: Descriptor = { mediaType: MediaType.layerTar, digest, size: bytes.length };
    assert.equal(await codeOf(store.put(d, fromBytes(someBytes(5000, 9)), call)), "digest-mismatch");
    await store.put(d, fromBytes(bytes), call);
    assert.deepEqual(Buffer.from(await read(store, d)), bytes);
    const config = await store.ingest(MediaType.config, fromBytes(Buffer.from("{}")), call);
    const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: [d] };
    const image = Buffer.from(JSON.stringify(manifest));
    const named: Digest = `sha512:${createHash("sha512").update(image).digest("hex")}`;
    const root: Descriptor = { mediaType: MediaType.manifest, digest: named, size: image.length };
    await store.put(root, fromBytes(image), call);
    await store.tag("long", root, call);
    assert.equal((await store.resolve("long", call)).digest, named);
    assert.deepEqual(Buffer.from(await read(store, root)), image);
  });
}

function endless(): ByteSource {
  return {
    async *open() {
      const chunk = someBytes(65_536);
      for (;;) yield chunk;
    },
  };
}

function breaking(bytes: Uint8Array): ByteSource {
  return {
    async *open() {
      yield bytes.subarray(0, 60_000);
      throw new Error("the source broke");
    },
  };
}
