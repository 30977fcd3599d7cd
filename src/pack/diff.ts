import type { Call } from "../base/index.ts";
import type { Store } from "../oci/index.ts";
import type { Entry } from "../tar/index.ts";
import { compareUtf8, type MergedLayers } from "../tree/index.ts";
import { type LookOptions, volumeOf } from "./look.ts";

export interface Difference {
  readonly path: string;
  readonly change: "added" | "removed" | "changed";
  /** Of a change: which of type, mode, owner, mtime, content, target; in this order. */
  readonly what: readonly string[];
}

/**
 * What is different in the second volume, in the order of paths. Which names of a file are hard links of which is no
 * difference: a process sees the same.
 * @throws as {@link volumeOf}, for either
 */
export async function diff(
  first: { readonly store: Store; readonly ref: string },
  second: { readonly store: Store; readonly ref: string },
  options: LookOptions,
  call: Call,
): Promise<readonly Difference[]> {
  const a = await volumeOf(first.store, first.ref, options, call);
  const b = await volumeOf(second.store, second.ref, options, call);
  const before = await byPath(a, call);
  const after = await byPath(b, call);
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort(compareUtf8);
  return paths.flatMap((path): readonly Difference[] => {
    const x = before.get(path);
    const y = after.get(path);
    if (x === undefined) return [{ path, change: "added", what: [] }];
    if (y === undefined) return [{ path, change: "removed", what: [] }];
    const what = changes(x, y, a, b);
    return what.length > 0 ? [{ path, change: "changed", what }] : [];
  });
}

async function byPath(volume: MergedLayers, call: Call): Promise<ReadonlyMap<string, Entry>> {
  const found = new Map<string, Entry>();
  for await (const entry of volume.tree(call)) found.set(entry.path, entry);
  return found;
}

function changes(x: Entry, y: Entry, a: MergedLayers, b: MergedLayers): readonly string[] {
  const kind = (e: Entry): string => (e.type === "hardlink" ? "file" : e.type);
  const differs: Readonly<Record<string, boolean>> = {
    type: kind(x) !== kind(y),
    mode: x.mode !== y.mode,
    owner: x.uid !== y.uid || x.gid !== y.gid,
    mtime: x.mtime !== y.mtime,
    content: kind(x) === "file" && kind(y) === "file" && a.contentHash(x.path) !== b.contentHash(y.path),
    target: x.type === "symlink" && y.type === "symlink" && x.target !== y.target,
  };
  return Object.keys(differs).filter((name) => differs[name]);
}
