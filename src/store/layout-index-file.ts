import { stat } from "node:fs/promises";
import type { Call } from "../base/index.ts";
import { type LayoutIndex, readIndex } from "./layout-index.ts";

/** Coarser than the time stamps of file systems are: a file may change twice within one of theirs. */
const SETTLED_MS = 100;

/**
 * A layout's index.json, parsed once for as long as it lies unchanged: an index of a hundred thousand tags takes a good part of a
 * second. Anyone may replace or edit it at any time, so every reading looks at the file first (docs/adr/0103).
 */
export class IndexFile {
  readonly path: string;
  #kept: { readonly stamp: string; readonly index: LayoutIndex } | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws StoreError `store-invalid` */
  async read(call: Call): Promise<LayoutIndex> {
    const before = await stampOf(this.path);
    if (before !== undefined && before === this.#kept?.stamp) return this.#kept.index;
    const index = await readIndex(this.path, call);
    // The same before and after, and not of this very moment: then these are the bytes that the stamp stands for.
    this.#kept =
      before !== undefined && before === (await stampOf(this.path)) ? { stamp: before, index } : undefined;
    return index;
  }
}

/** What changes whenever the file does; undefined where it is not there, or has changed just now. */
async function stampOf(path: string): Promise<string | undefined> {
  const now = Date.now();
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = found;
  if (now - Number(mtimeMs > ctimeMs ? mtimeMs : ctimeMs) < SETTLED_MS) return undefined;
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
