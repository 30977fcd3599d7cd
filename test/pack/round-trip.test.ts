import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { quietCall } from "../../src/base/index.ts";
import { exportTar, pack } from "../../src/pack/index.ts";
import { memoryStore } from "../../src/store/index.ts";
import { layersTree } from "../../src/tree/index.ts";
import { inFolder, listing } from "../tree/listing.ts";

const call = quietCall();
const text = (max: number) =>
  fc
    .oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
      fc.constantFrom("a", "a-", "a.", "a0", "é", "A".repeat(120)),
    )
    .map((s) => s.replaceAll("\0", "0"))
    .filter((s) => Buffer.byteLength(s) <= max);
const name = text(250)
  .map((s) => s.replaceAll("/", "|"))
  .filter((s) => s !== "." && s !== ".." && !s.startsWith(".wh."));
const item = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/")),
  kind: fc.constantFrom("file", "file", "run", "dir", "symlink", "hardlink"),
  content: fc.oneof(
    fc.string({ maxLength: 50 }),
    fc.nat(3000).map((n) => "x".repeat(n)),
  ),
  target: text(300),
});
type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

/** Makes as many of the items as fit together. */
function make(root: string, items: readonly Item[]): void {
  const files: string[] = [];
  for (const { path, kind, content, target } of items) {
    const full = join(root, path);
    try {
      mkdirSync(dirname(full), { recursive: true });
      if (kind === "dir") mkdirSync(full);
      else if (kind === "symlink") symlinkSync(target, full);
      else if (kind === "hardlink") linkSync(files[content.length % files.length] ?? "", full);
      else {
        writeFileSync(full, content, { flag: "wx" });
        if (kind === "run") chmodSync(full, 0o700);
        files.push(full);
      }
    } catch {
      // The path is taken by an earlier item.
    }
  }
}

function everyPath(root: string, under: string): string[] {
  return readdirSync(join(root, under), { withFileTypes: true }).flatMap((e) => {
    const path = under + e.name;
    return e.isDirectory() ? [path, ...everyPath(root, `${path}/`)] : [path];
  });
}

/** What the folder should become, found out without our own walk: all paths, then sorted as bytes. */
function expected(root: string): string[] {
  const found = everyPath(root, "").map((path) => {
    const stat = lstatSync(join(root, path));
    return { path, stat, key: Buffer.from(stat.isDirectory() ? `${path}/` : path) };
  });
  found.sort((a, b) => Buffer.compare(a.key, b.key));
  const firsts = new Map<number, string>();
  return found.map(({ path, stat }) => {
    const full = join(root, path);
    if (stat.isDirectory()) return `dir ${path} 755 0:0 0`;
    if (stat.isSymbolicLink()) return `symlink ${path} 777 0:0 0 -> ${readlinkSync(full)}`;
    const mode = (stat.mode & 0o100) === 0 ? "644" : "755";
    const first = firsts.get(stat.ino);
    if (first !== undefined) return `hardlink ${path} ${mode} 0:0 0 -> ${first}`;
    firsts.set(stat.ino, path);
    const content = readFileSync(full);
    const shown = content.length > 40 ? `${content.length} bytes` : JSON.stringify(content.toString());
    return `file ${path} ${mode} 0:0 0 ${content.length} ${shown}`;
  });
}

test("whatever a folder holds, its layer holds; and the export is the layer's own tar", async () => {
  const compression = fc.constantFrom("auto", "gzip", "zstd", "none");
  await fc.assert(
    fc.asyncProperty(fc.array(item, { maxLength: 15 }), compression, async (items, how) => {
      await inFolder(async (root) => {
        make(root, items);
        const store = memoryStore();
        const packed = await pack([{ path: root }], store, { format: { compression: how } }, call);
        const layers = packed.layers.map((l) => l.descriptor);
        assert.deepEqual(await listing(layersTree(store, layers)), expected(root));
        const hash = createHash("sha256");
        for await (const chunk of exportTar(store, packed.digest, {}, call)) hash.update(chunk);
        assert.equal(`sha256:${hash.digest("hex")}`, packed.layers[0]?.diffId);
      });
    }),
    { numRuns: 100 },
  );
});
