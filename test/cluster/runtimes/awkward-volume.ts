import { chmod, lutimes, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { AWKWARD, type Item, makeAwkward } from "../../interop/awkward.ts";

/** When the newest of its files is said to be from; a pack that keeps times keeps them all. */
export const NEWEST = 2_000_000_000;

type Make = Item["make"];
const folder = (mode: number): Make => ({ kind: "folder", mode });
const file = (size: number, mode = 0o644): Make => ({ kind: "file", size, mode, seed: size });
const symlink = (target: string): Make => ({ kind: "symlink", target });
const hardlink = (to: number): Make => ({ kind: "hardlink", to });

export const FOLDER = "a folder/of it";
export const FILE = `${FOLDER}/file`;
/** To `/etc/passwd`, which is in every container. */
export const ABSOLUTE_LINK = "links/absolute";
export const PRIVATE_FILE = "private";
/** Says `ran`. */
export const SCRIPT = "script";

/** Paths of it to mount alone, by what they are. */
export const SUB_PATHS: Readonly<Record<string, string>> = {
  "a folder": FOLDER,
  "a file": FILE,
  "what is not there": "a folder/of nothing",
  "a link to a folder": "links/to a folder",
  "a link with .. out of the volume": "links/out",
  "an absolute link": "links/absolute folder",
};

/** What scripts and runtimes are known to stumble over, by name. */
const KNOWN: readonly (readonly [path: string, make: Make])[] = [
  [FOLDER, folder(0o711)],
  [FILE, file(5)],
  [`${FOLDER}/below/file`, file(7)],
  ["empty", folder(0o755)],
  ["large", file(8 * 2 ** 20 + 1)],
  ["nothing", file(0)],
  [PRIVATE_FILE, file(600, 0o600)],
  ["setuid", file(10, 0o4755)],
  ["setgid", folder(0o2775)],
  ["sticky", folder(0o1777)],
  ["nobody may write/even here", file(11, 0o444)],
  ["links/to a folder", symlink("../a folder/of it")],
  ["links/out", symlink("../../../../../etc")],
  ["links/absolute folder", symlink("/etc")],
  [ABSOLUTE_LINK, symlink("/etc/passwd")],
  ["links/dangling", symlink("no/such/thing")],
  ["links/loop", symlink("loop")],
  ["links/long", symlink(`${"長".repeat(80)}/${"t".repeat(200)}`)],
  ["hard/one", hardlink(0)],
  ["hard/two", hardlink(0)],
  ["日本語/e\u0301/é", file(12)],
  ["a\nline", file(13)],
  ["tab\there", file(14)],
  [" ", file(15)],
  ["-rf", file(16)],
  ["back\\slash", file(17)],
  ["\u0001\u007f\u202e", file(18)],
  ["n".repeat(255), file(19)],
  ["長".repeat(85), file(20)],
  [Array.from({ length: 60 }, (_, n) => `deep ${n} ${"d".repeat(40)}`).join("/"), file(21)],
];

/** Root without capabilities reads no more of its own than others do of theirs. */
function readable(item: Item): Item {
  const { make } = item;
  return "mode" in make ? { ...item, make: { ...make, mode: make.mode | 0o500 } } : item;
}

/** Makes a folder of everything that a volume may hold, the same in every run. */
export async function makeAwkwardVolume(root: string): Promise<void> {
  await mkdir(root);
  const known = KNOWN.map(([path, make]) => ({ path: path.split("/"), make, mtime: 0 }));
  await makeAwkward(root, known);
  const chance = fc.sample(AWKWARD, { numRuns: 3, seed: 5 }).flat();
  await mkdir(join(root, "by chance"));
  await makeAwkward(join(root, "by chance"), chance.map(readable));
  await writeFile(join(root, SCRIPT), "#!/bin/sh\necho ran\n", { mode: 0o755 });
  // Also of what has no time of its own in a list: links, and folders that are there for what is in them.
  let time = NEWEST;
  const look = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) await look(path);
      await lutimes(path, --time, time);
    }
  };
  await look(root);
  await chmod(root, 0o750);
}
