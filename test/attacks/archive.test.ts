import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { collect, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { copy } from "../../src/copy/index.ts";
import type { Store } from "../../src/oci/index.ts";
import { memoryStore, openArchive } from "../../src/store/index.ts";
import { codeOf, putImage } from "../contract/store.ts";
import { layoutPieces, type Piece, tarOf } from "../store/archive-file.ts";
import { filesBelow } from "../store/layout-folder.ts";

const call = quietCall();
const { pieces, manifest, layer } = layoutPieces();
const whole: readonly Piece[] = [...pieces].map(([path, bytes]) => ({ path, bytes }));
const named = (name: string): Piece => ({ path: name, bytes: pieces.get(name) ?? Buffer.alloc(0) });
const without = (name: string): readonly Piece[] => whole.filter((p) => "raw" in p || p.path !== name);
const layerName = `blobs/${layer.replace(":", "/")}`;
const rest = without("index.json");

/** Runs `work` beside an archive, and sees that nothing else came to be there. */
async function withArchive(bytes: Uint8Array, work: (path: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-attack-");
  const path = join(folder.path, "in", "image.tar");
  await mkdir(join(folder.path, "in"));
  await writeFile(path, bytes);
  await work(path);
  assert.deepEqual(await filesBelow(folder.path), ["in", "in/image.tar"], "nothing was unpacked");
}

const refused: Readonly<Record<string, Uint8Array>> = {
  "an empty file": Buffer.alloc(0),
  "zeros alone": Buffer.alloc(1024),
  "no tar at all": Buffer.from("this is a text, and not an archive\n".repeat(40)),
  "a gzipped archive": gzipSync(tarOf(whole)),
  "a zstd archive": zstdCompressSync(tarOf(whole)),
  "a bzip2 archive": Buffer.concat([Buffer.from("BZh91AY&SY"), Buffer.alloc(2000)]),
  "an xz archive": Buffer.concat([Buffer.from("\xfd7zXZ\0", "latin1"), Buffer.alloc(2000)]),
  "without index.json": tarOf(rest),
  "without oci-layout": tarOf(without("oci-layout")),
  "docker save's own form": tarOf([{ path: "manifest.json", bytes: Buffer.from("[]") }]),
  "index.json twice": tarOf([...whole, named("index.json")]),
  "index.json twice under two spellings": tarOf([...whole, { ...named("index.json"), path: "./index.json" }]),
  "oci-layout twice": tarOf([named("oci-layout"), ...whole]),
  "index.json as a symbolic link": tarOf([
    ...rest,
    { path: "index.json", link: "symlink", target: "/etc/passwd" },
  ]),
  "index.json as a hard link": tarOf([...rest, { path: "index.json", link: "hardlink", target: layerName }]),
  "a blob as a symbolic link": tarOf([
    ...without(layerName),
    { path: layerName, link: "symlink", target: "/etc/passwd" },
  ]),
  "blobs as a symbolic link": tarOf([{ path: "blobs", link: "symlink", target: "/etc" }, ...whole]),
  "a device in the place of a blob": tarOf([...without(layerName), { path: layerName, flag: "3" }]),
  "a sparse blob": tarOf([...without(layerName), { path: layerName, flag: "S" }]),
  "an unknown kind of entry": tarOf([...whole, { path: "odd", flag: "V" }]),
  "a size that lies beyond the end": tarOf([...whole, { path: "more", size: 1_000_000 }]),
  "an enormous size": tarOf([...whole, { path: "more", size: 2 ** 50 }]),
  "cut in a blob": tarOf(whole).subarray(0, -3500),
  "cut in a header": tarOf(whole).subarray(0, 512 * 4 + 100),
  "an extended header of 1 MiB": tarOf([
    ...whole,
    { path: "PaxHeader", flag: "x", bytes: Buffer.alloc(1024 * 1024, "1") },
  ]),
  "a name of 5,000 bytes": tarOf([...whole, { path: "n".repeat(5000) }]),
  "an index.json that is no JSON": tarOf([...rest, { path: "index.json", bytes: Buffer.from("{") }]),
  "an index.json that is no index": tarOf([...rest, { path: "index.json", bytes: Buffer.from('{"a":1}') }]),
  "a layout of another version": tarOf([
    ...without("oci-layout"),
    { path: "oci-layout", bytes: Buffer.from('{"imageLayoutVersion":"2.0.0"}') },
  ]),
};

for (const [what, bytes] of Object.entries(refused)) {
  test(`an archive is refused, and left as it is: ${what}`, async () => {
    await withArchive(bytes, async (path) => {
      await assert.rejects(openArchive(path, {}, call), (error: Error & { code?: string }) => {
        assert.equal(error.code, "store-invalid", String(error));
        assert.match(error.message, /image\.tar/);
        return true;
      });
      assert.deepEqual(await readFile(path), Buffer.from(bytes));
    });
  });
}

test("200,000 entries are too many", async () => {
  const one = tarOf([{ path: "x" }]).subarray(0, 512);
  await withArchive(tarOf([...whole, { raw: Buffer.concat(Array(200_001).fill(one)) }]), async (path) => {
    await assert.rejects(openArchive(path, {}, call), { code: "store-invalid", message: /200000 entries/ });
  });
});

test("what follows the end mark is not read, however much it is", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-attack-");
  const path = join(folder.path, "image.tar");
  await writeFile(path, tarOf(whole));
  await truncate(path, 2 ** 36);
  await using store = await openArchive(path, {}, call);
  await readAll(store);
});

const accepted: Readonly<Record<string, readonly Piece[]>> = {
  "as skopeo and podman write it": [
    { path: "blobs", dir: true },
    { path: "blobs/sha256", dir: true },
    ...whole,
  ],
  "with ./ before each name": [
    { path: "", dir: true },
    ...[...pieces].map(([path, bytes]) => ({ path: `./${path}`, bytes })),
  ],
  "with index.json at the end, as docker save has it": [
    ...rest,
    named("index.json"),
    { path: "manifest.json", bytes: Buffer.from("[]") },
    { path: "repositories", bytes: Buffer.from("{}") },
  ],
  "with a blob twice": [...whole, named(layerName)],
  "with a name that leads out, which is not looked at": [
    ...whole,
    { path: "../../index.json", bytes: Buffer.from("{") },
  ],
  "with an absolute name": [...without("oci-layout"), { ...named("oci-layout"), path: "/oci-layout" }],
  "with a link that is none of ours": [...whole, { path: "latest", link: "symlink", target: "/etc/passwd" }],
  "with a long name in an extended header": [...whole, { path: `${"long/".repeat(60)}x` }],
};

async function readAll(store: Store): Promise<void> {
  const d = await store.resolve("v1", call);
  assert.equal(d.digest, manifest);
  await copy(store, "v1", memoryStore(), "v1", {}, call);
}

for (const [what, list] of Object.entries(accepted)) {
  test(`an archive is read: ${what}`, async () => {
    await withArchive(tarOf(list), async (path) => {
      await using store = await openArchive(path, {}, call);
      await readAll(store);
    });
  });
}

test("an archive without its end mark, and one with anything behind it, are read", async () => {
  const bytes = tarOf(whole);
  for (const one of [bytes.subarray(0, -1024), Buffer.concat([bytes, Buffer.from("anything")])]) {
    await withArchive(one, async (path) => {
      await using store = await openArchive(path, {}, call);
      await readAll(store);
    });
  }
});

test("a blob that is not what its name says is refused when it is read, also the second of two", async () => {
  const wrong = { path: layerName, bytes: Buffer.alloc(3000) };
  for (const list of [
    [...without(layerName), wrong],
    [...whole, wrong],
  ]) {
    await withArchive(tarOf(list), async (path) => {
      await using store = await openArchive(path, {}, call);
      const d = { mediaType: "application/x", digest: layer, size: 3000 };
      assert.equal(await codeOf(collect(store.read(d, call), 10_000, "layer")), "digest-mismatch");
    });
  }
});

test("what a new archive could not hold is not lost: the old one is not written", async () => {
  const odd: readonly Piece[] = [
    { path: "latest", link: "symlink", target: "x" },
    { path: "../out", bytes: Buffer.from("x") },
  ];
  for (const one of odd) {
    const bytes = tarOf([...whole, one]);
    await withArchive(bytes, async (path) => {
      await using store = await openArchive(path, { create: true }, call);
      const d = await putImage(store);
      assert.equal(await codeOf(store.tag("v2", d, call)), "unsupported");
      await store[Symbol.asyncDispose]();
      assert.deepEqual(await readFile(path), bytes);
    });
  }
});

test("a folder, a named pipe and a name below a file are no archives", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-attack-");
  const at = (name: string): string => join(folder.path, name);
  await mkdir(at("folder"));
  await writeFile(at("file"), "");
  await promisify(execFile)("mkfifo", [at("pipe")]);
  await symlink(at("pipe"), at("link"));
  for (const create of [false, true]) {
    for (const name of ["folder", "pipe", "link"]) {
      assert.equal(await codeOf(openArchive(at(name), { create }, call)), "store-invalid", name);
    }
  }
  assert.equal(await codeOf(openArchive(at("file/x.tar"), {}, call)), "not-found");
  await using below = await openArchive(at("file/x.tar"), { create: true }, call);
  assert.equal(await codeOf(putImage(below)), "store-invalid");
  assert.deepEqual(await filesBelow(folder.path), ["file", "folder", "link", "pipe"]);
});

test("archives with bytes changed anywhere are read, or refused with a code: 400 of them", async () => {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-attack-");
  const path = join(folder.path, "image.tar");
  const good = tarOf(whole);
  const random = numbers(20261123);
  for (let i = 0; i < 400; i++) {
    const bytes = Buffer.from(good);
    // Mostly where headers are, and their checksums made right again, so that more than the checksum is tried.
    const block = Math.floor(random() * (bytes.length / 512)) * 512;
    for (let n = 0; n < 1 + random() * 3; n++) bytes[block + Math.floor(random() * 512)] = random() * 256;
    if (i % 4 !== 0) setChecksum(bytes.subarray(block, block + 512));
    await writeFile(path, i % 5 === 0 ? bytes.subarray(0, random() * bytes.length) : bytes);
    const code = await codeOf(async () => {
      await using store = await openArchive(path, {}, call);
      for await (const tag of store.can.tags?.list(call) ?? []) {
        await copy(store, tag, memoryStore(), undefined, { referrers: true }, call);
      }
    });
    assert.match(code, /^[a-z-]+$/, `change ${i}: ${code}`);
  }
  assert.deepEqual(await filesBelow(folder.path), ["image.tar"]);
});

function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function setChecksum(block: Buffer): void {
  block.fill(" ", 148, 156);
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
