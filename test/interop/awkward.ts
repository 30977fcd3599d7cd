import { createHash } from "node:crypto";
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import fc from "fast-check";

/** One thing in a folder: where, and what. */
export interface Item {
  /** Names from the root down. */
  readonly path: readonly string[];
  readonly make:
    | { readonly kind: "folder"; readonly mode: number }
    | { readonly kind: "file"; readonly mode: number; readonly size: number; readonly seed: number }
    | { readonly kind: "symlink"; readonly target: string }
    /** To one of the files made before it. */
    | { readonly kind: "hardlink"; readonly to: number };
  readonly mtime: number;
}

// Everything that archive formats and their readers are known to stumble over, and what comes by chance.
const NAMES: fc.Arbitrary<string> = fc
  .oneof(
    fc.constantFrom(
      " ",
      "-rf",
      "--",
      "...",
      "a\nb",
      "tab\there",
      "back\\slash",
      '"',
      "'",
      "*",
      "$HOME",
      "é",
      "e\u0301",
      "日本語",
      "\u{1f600}",
      "\ufeff",
      "\uffee",
      "\u202e",
      "\u0001",
      "\u007f",
      "a ",
      "a.",
      "A",
      "a",
      "PaxHeaders.0",
      "././@LongLink",
      "%2e%2e",
      "../x",
    ),
    fc.integer({ min: 90, max: 255 }).map((length) => "n".repeat(length)),
    fc.integer({ min: 30, max: 85 }).map((length) => "長".repeat(length)),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 24 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 24 }),
  )
  .map((name) => name.replace(/[/\0]/g, "_"))
  // `.wh.` names say that something is gone, and a folder's own ignore file is for us: both have tests of their own.
  .filter(
    (name) =>
      name.isWellFormed() &&
      !/^\.{1,2}$|^\.wh\.|^\.imgvolignore$/.test(name) &&
      Buffer.byteLength(name) < 256,
  );

const MODES = fc.integer({ min: 0, max: 0o7777 });
const TARGETS = fc.oneof(
  fc.constantFrom(
    "a",
    "/",
    "..",
    "/etc/passwd",
    "a\nb",
    "no/such/é",
    "t".repeat(100),
    `${"長".repeat(80)}/x`,
  ),
  fc.array(NAMES, { minLength: 1, maxLength: 6 }).map((names) => names.join("/")),
);

const ITEMS: fc.Arbitrary<Item> = fc.record({
  path: fc.array(NAMES, { minLength: 1, maxLength: 5 }),
  make: fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("folder" as const), mode: MODES }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("file" as const),
        mode: MODES,
        size: fc.oneof(fc.constantFrom(0, 1, 511, 512, 513, 300_000), fc.nat(5000)),
        seed: fc.nat(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("symlink" as const), target: TARGETS }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("hardlink" as const), to: fc.nat(50) }) },
  ),
  mtime: fc.integer({ min: -86_400, max: 4_102_444_800 }),
});

/** Folders of everything that is awkward. */
export const AWKWARD: fc.Arbitrary<readonly Item[]> = fc.array(ITEMS, { maxLength: 60, size: "max" });

/** Makes them below `root`, in their order; what would stand where something else stands is left out. */
export async function makeAwkward(root: string, items: readonly Item[]): Promise<void> {
  const files: string[] = [];
  const last: (() => Promise<void>)[] = [];
  for (const { path, make, mtime } of items) {
    const full = join(root, ...path);
    try {
      await mkdir(dirname(full), { recursive: true });
      if (make.kind === "folder") await mkdir(full);
      else if (make.kind === "file") await writeFile(full, bytes(make.size, make.seed), { flag: "wx" });
      else if (make.kind === "symlink") await symlink(make.target, full);
      else if (files.length > 0) await link(files[make.to % files.length] ?? "", full);
    } catch (error) {
      if (!(error instanceof Error) || !/^(EEXIST|ENOTDIR|ENOENT|ELOOP)/.test(error.message)) throw error;
      continue;
    }
    if (make.kind === "file") files.push(full);
    if (make.kind === "file" || make.kind === "folder") {
      last.unshift(async () => {
        await chmod(full, make.mode);
        await utimes(full, mtime, mtime);
      });
    }
  }
  // Last and from the end: a folder's time changes with what is put into it.
  for (const step of last) await step();
}

/** Half of it compresses, half does not. */
function bytes(size: number, seed: number): Buffer {
  const content = Buffer.alloc(size, `${seed} `);
  let block = createHash("sha256").update(String(seed)).digest();
  for (let at = 0; at < size / 2; at += block.length) {
    block.copy(content, at);
    block = createHash("sha256").update(block).digest();
  }
  return content;
}

/** What a volume keeps of a path. */
export interface Shape {
  readonly kind: "folder" | "file" | "symlink";
  readonly mode: number;
  /** In seconds since 1970. */
  readonly mtime: number;
  /** A file's bytes by their hash, or a link's target. */
  readonly content: string;
  /** The first of the names that are one file. */
  readonly same: string;
}

/** The shapes of everything below `root`, by path. */
export async function shapesOf(root: string): Promise<ReadonlyMap<string, Shape>> {
  const shapes = new Map<string, Shape>();
  const first = new Map<number, string>();
  const look = async (folder: string): Promise<void> => {
    for (const name of (await readdir(join(root, folder))).sort()) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const full = join(root, path);
      const s = await lstat(full);
      const kind = s.isDirectory() ? "folder" : s.isSymbolicLink() ? "symlink" : "file";
      if (kind === "file" && !first.has(s.ino)) first.set(s.ino, path);
      let content = "";
      if (kind === "symlink") content = await readlink(full);
      if (kind === "file")
        content = createHash("sha256")
          .update(await readFile(full))
          .digest("hex");
      const mtime = Math.trunc(s.mtimeMs / 1000);
      shapes.set(path, { kind, mode: s.mode & 0o7777, mtime, content, same: first.get(s.ino) ?? "" });
      if (kind === "folder") await look(path);
    }
  };
  await look("");
  return shapes;
}
