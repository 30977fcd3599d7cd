import type { Call } from "../base/index.ts";
import { type Entry, encodeHeader, padding } from "../tar/index.ts";
import type { Tree } from "../tree/index.ts";

/**
 * A tree as several, each of at most `size` bytes of tar, cut between entries. An entry that is larger alone has a
 * tree of its own. Each tree stands for itself: it begins with the folders that lead to its first entry, and a hard
 * link to a file of an earlier tree becomes a file, since layers may be unpacked apart from each other.
 */
export async function splitTree(tree: Tree, size: number, call: Call): Promise<readonly Tree[]> {
  const cuts: number[] = [0];
  const linked = new Set<string>();
  let number = 0;
  let filled = 0;
  for await (const entry of tree(call)) {
    if (entry.type === "hardlink") linked.add(entry.target);
    const bytes = tarSize(entry);
    if (filled > 0 && filled + bytes > size) {
      cuts.push(number);
      filled = 0;
    }
    filled += bytes;
    number++;
  }
  return cuts.map((from, i) => (c) => slice(tree, from, cuts[i + 1] ?? number, linked, c));
}

function tarSize(entry: Entry): number {
  const content = entry.type === "file" ? entry.size + padding(entry.size).length : 0;
  return encodeHeader(entry).length + content;
}

async function* slice(
  tree: Tree,
  from: number,
  to: number,
  linked: ReadonlySet<string>,
  call: Call,
): AsyncGenerator<Entry> {
  /** The folders on the way to where the walk stands. */
  const way: Entry[] = [];
  /** Files before this slice that have further names, and what those are linked to within it. */
  const before = new Map<string, Entry>();
  const here = new Map<string, string>();
  let number = -1;
  for await (const entry of tree(call)) {
    if (++number >= to) return;
    while (way.length > 0 && !entry.path.startsWith(`${way.at(-1)?.path}/`)) way.pop();
    if (number === from) yield* way;
    if (entry.type === "dir") way.push(entry);
    if (number < from) {
      if (linked.has(entry.path)) before.set(entry.path, entry);
    } else if (entry.type !== "hardlink") yield entry;
    else yield localLink(entry, before, here);
  }
}

function localLink(
  link: Entry & { readonly target: string },
  before: ReadonlyMap<string, Entry>,
  here: Map<string, string>,
): Entry {
  const first = before.get(link.target);
  if (first?.type !== "file") return link;
  const target = here.get(link.target);
  const { path, mode, uid, gid, mtime } = link;
  if (target !== undefined) return { path, mode, uid, gid, mtime, type: "hardlink", target };
  here.set(link.target, path);
  return { ...first, path };
}
