// Makes a folder full of awkward names, packs it into memory, and prints what came out as JSON.
// Usage: node awkward-folder.ts FOLDER ORDER [OWNER], where ORDER is a number that shuffles the order of creation, and OWNER a
// user's number that the files are given to.
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import { pack } from "../../src/pack/index.ts";
import { memoryStore } from "../../src/store/index.ts";

const [root = "", order = "0", owner] = process.argv.slice(2);

/** A fixed sequence of numbers below 2^32 (xorshift32). */
function* numbers(seed: number): Generator<number> {
  for (let x = seed; ; ) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield x >>> 0;
  }
}

function random(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  const source = numbers(42);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(source.next().value, at);
  return bytes;
}

const long = "long-".repeat(45);
const file = (path: string, content: string | Buffer = path, mode = 0o666) => ({
  path,
  make: (full: string) => writeFileSync(full, content, { mode }),
});
const folder = (path: string) => ({ path, make: (full: string) => mkdirSync(full, { recursive: true }) });
const link = (path: string, target: string) => ({ path, make: (full: string) => symlinkSync(target, full) });

const items = [
  ...["a", "a/b", "empty", "deep/er/and/deeper", "dossier é", `${long}/${long}`].map(folder),
  ...[
    "a-",
    "a.b",
    "a0",
    "a/z",
    "B",
    "b",
    "with space",
    "new\nline",
    'quo"te',
    "back\\slash",
    "-dash",
    "\u{1f600}",
  ].map((p) => file(p)),
  ...[
    "\uffee",
    "é",
    "e\u0301",
    "日本語/ファイル",
    `${"n".repeat(99)}`,
    `${"n".repeat(100)}`,
    `${long}/${long}/x`,
  ].map((p) => file(p)),
  file("empty-file", ""),
  file("run.sh", "#!/bin/sh\n", 0o777),
  file("random", random(3 * 1024 * 1024 + 13)),
  file("text", "the same line again and again\n".repeat(80_000)),
  link("link", "a/z"),
  link("broken", "/no/such/é"),
  link("long link", `${long}/${long}/x`),
];

const shuffle = numbers(Number(order) + 1);
const shuffled = items.map((item) => ({ item, key: shuffle.next().value })).sort((a, b) => a.key - b.key);
for (const { item } of shuffled) {
  const full = join(root, item.path);
  mkdirSync(dirname(full), { recursive: true });
  item.make(full);
}
const names = ["zz", "hard", "a/link"];
if (Number(order) % 2 === 1) names.reverse();
writeFileSync(join(root, names[0] ?? ""), "linked");
for (const name of names.slice(1)) linkSync(join(root, names[0] ?? ""), join(root, name));
utimesSync(join(root, "text"), 1e9 + Number(order), 1e9 + Number(order));

if (owner !== undefined) execFileSync("chown", ["-hR", `${owner}:${owner}`, root]);

const results: Record<string, string> = {};
for (const compression of ["auto", "gzip", "zstd", "none"] as const) {
  const packed = await pack([{ path: root }], memoryStore(), { format: { compression } }, quietCall());
  results[compression] = packed.digest;
  results["diffId"] = packed.layers.map((l) => l.diffId).join();
  results["entries"] = String(packed.entries);
}
console.log(JSON.stringify(results));
