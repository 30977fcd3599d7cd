import { type Call, printable } from "../base/index.ts";
import type { Entry } from "../tar/index.ts";
import { TreeError } from "./errors.ts";
import { entryTime, type MetadataOptions } from "./metadata.ts";
import { compareUtf8, orderKey, parentsOf } from "./order.ts";
import type { Tree } from "./tree.ts";

/** A tree that is to appear below a path of a larger one. */
export interface Part {
  readonly tree: Tree;
  /** Where its root goes; "" is the root of the whole. */
  readonly target: string;
  /** How the user named it, for messages. */
  readonly origin: string;
}

/**
 * Several trees as one. Folders that are missing on the way to a part's target are made (0755); a folder that
 * several parts have is one folder, with the first part's metadata.
 *
 * Its iteration throws TreeError `path-conflict` where two parts have one path otherwise.
 */
export function composeTree(parts: readonly Part[], options: MetadataOptions = {}): Tree {
  const only = parts[0];
  if (parts.length === 1 && only?.target === "") return only.tree;
  return (call) => merge(parts, options, call);
}

/** One part on its way: its next entry, not yet taken. */
interface Head {
  readonly part: Part;
  readonly rest: AsyncIterator<Placed>;
  next: Placed;
}

interface Placed {
  readonly entry: Entry;
  readonly key: string;
  /** A folder that no part has, made to hold one. */
  readonly made: boolean;
}

async function* merge(parts: readonly Part[], options: MetadataOptions, call: Call): AsyncGenerator<Entry> {
  const heads: Head[] = [];
  const names = new Siblings();
  try {
    for (const part of parts) {
      const rest = place(part, options, call);
      const first = await rest.next();
      if (!first.done) heads.push({ part, rest, next: first.value });
    }
    for (let head = await least(heads); head !== undefined; head = await least(heads)) {
      names.add(head.next.entry, head.part);
      yield head.next.entry;
      await step(heads, head);
    }
  } finally {
    await Promise.all(heads.map((h) => h.rest.return?.()));
  }
}

/** The head whose entry is next in tree order. Others at the same folder are moved on: one entry serves all. */
async function least(heads: Head[]): Promise<Head | undefined> {
  let first = heads[0];
  if (first === undefined) return undefined;
  for (const head of heads) if (compareUtf8(head.next.key, first.next.key) < 0) first = head;
  const key = first.next.key;
  for (const head of heads.filter((h) => h !== first && h.next.key === key)) {
    if (head.next.entry.type !== "dir") throw conflict(head.next.entry.path, first.part, head.part);
    // What a part has goes before what was only made to hold another.
    const useless: Head = first.next.made && !head.next.made ? first : head;
    if (useless === first) first = head;
    await step(heads, useless);
  }
  return first;
}

async function step(heads: Head[], head: Head): Promise<void> {
  const { done, value } = await head.rest.next();
  if (done) heads.splice(heads.indexOf(head), 1);
  else head.next = value;
}

async function* place(part: Part, options: MetadataOptions, call: Call): AsyncGenerator<Placed> {
  const { target } = part;
  const under = target === "" ? "" : `${target}/`;
  const { uid, gid } = options.owner ?? { uid: 0, gid: 0 };
  const mtime = entryTime(Number.MAX_SAFE_INTEGER, options);
  for (const path of target === "" ? [] : [...parentsOf(target), target]) {
    yield { entry: { type: "dir", path, mode: 0o755, uid, gid, mtime }, key: `${path}/`, made: true };
  }
  for await (const inner of part.tree(call)) {
    const path = under + inner.path;
    const entry =
      inner.type === "hardlink" ? { ...inner, path, target: under + inner.target } : { ...inner, path };
    yield { entry, key: orderKey(path, entry.type), made: false };
  }
}

/** Finds a file and a folder of one name: tree order sets them apart, so the names of the open folders are kept. */
class Siblings {
  readonly #open: { folder: string; files: Map<string, Part> }[] = [{ folder: "", files: new Map() }];

  add(entry: Entry, part: Part): void {
    while (!entry.path.startsWith(this.#open.at(-1)?.folder ?? "")) this.#open.pop();
    const files = this.#open.at(-1)?.files;
    if (entry.type !== "dir") files?.set(entry.path, part);
    else {
      const other = files?.get(entry.path);
      if (other !== undefined) throw conflict(entry.path, other, part);
      this.#open.push({ folder: `${entry.path}/`, files: new Map() });
    }
  }
}

function conflict(path: string, a: Part, b: Part): TreeError {
  const both = `${printable(a.origin)} and ${printable(b.origin)}`;
  return new TreeError("path-conflict", `two sources for one path: ${printable(path)}, from ${both}`, {
    hint: "give one of them another place with SOURCE=TARGET",
    wrongUse: true,
  });
}
