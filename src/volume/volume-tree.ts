import { lstatSync, mkdirSync, readdirSync, rmSync, type Stats, unlinkSync } from "node:fs";
import { join } from "node:path";
import { errno } from "../base/index.ts";
import { VolumeError } from "./errors.ts";
import { shown } from "./guard.ts";

/** What a folder gets when all is unpacked: until then we must be able to write into it. */
export interface FolderMetadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number | undefined;
}

const IMPLIED: FolderMetadata = { mode: 0o755, uid: 0, gid: 0, mtime: undefined };

/**
 * The tree being unpacked. It knows every folder because it made it: whether a path may be written is decided by that, and
 * never by what the disk would resolve, so that no link is ever followed.
 */
export class VolumeTree {
  readonly root: string;
  readonly folders: Map<string, FolderMetadata> = new Map();
  readonly #implied: () => void;
  readonly #gone: (path: string) => void;
  /** Paths of the layer being applied, and the folders above them; undefined in the first, which has nothing below. */
  #layer: Set<string> | undefined;

  /**
   * @param implied is called before a folder is made that has no entry (yet)
   * @param gone hears of each path that is taken away, with all below it
   */
  constructor(root: string, implied: () => void, gone: (path: string) => void) {
    this.root = root;
    this.#implied = implied;
    this.#gone = gone;
  }

  at(path: string): string {
    return join(this.root, path);
  }

  beginLayer(index: number): void {
    this.#layer = index === 0 ? undefined : new Set();
  }

  /** Says that the current layer has this path. */
  touch(path: string): void {
    if (this.#layer === undefined) return;
    for (let p = path; p !== "" && !this.#layer.has(p); p = parentOf(p)) this.#layer.add(p);
  }

  /** Makes the folders above a path. @throws VolumeError `entry-unsafe` where one of them is a link or a file */
  makeParents(path: string): void {
    const parent = parentOf(path);
    if (parent === "" || this.folders.has(parent)) return;
    this.makeParents(parent);
    this.#implied();
    this.makeFolder(parent, IMPLIED, () => {
      throw new VolumeError(
        "entry-unsafe",
        `${shown(path)} passes through ${shown(parent)}, which is no folder`,
        {
          hint: "the image is broken or hostile: imgvol ls shows its entries",
        },
      );
    });
  }

  makeFolder(path: string, metadata: FolderMetadata, onOther: () => void): void {
    if (!this.folders.has(path)) {
      try {
        mkdirSync(this.at(path), 0o700);
      } catch (error) {
        if (errno(error) !== "EEXIST") throw error;
        onOther();
        mkdirSync(this.at(path), 0o700);
      }
    }
    this.folders.set(path, metadata);
  }

  /** What stands at a path, without following it; undefined where nothing does, or where its folder is not ours. */
  look(path: string): Stats | undefined {
    const parent = parentOf(path);
    if (parent !== "" && !this.folders.has(parent)) return undefined;
    return lstatSync(this.at(path), { throwIfNoEntry: false });
  }

  /** Takes away a path and all below it. */
  remove(path: string): void {
    if (this.folders.has(path)) {
      rmSync(this.at(path), { recursive: true });
      this.folders.delete(path);
      for (const folder of this.folders.keys())
        if (folder.startsWith(`${path}/`)) this.folders.delete(folder);
    } else unlinkSync(this.at(path));
    this.#gone(path);
  }

  /**
   * Takes away what lower layers put at a path; what the current layer has there stays, whichever came first in its
   * archive (image-spec, layer.md, "Whiteouts").
   */
  removeLower(path: string): void {
    if (this.#layer === undefined || this.look(path) === undefined) return;
    if (!this.#layer.has(path)) this.remove(path);
    else if (this.folders.has(path)) this.removeLowerBelow(path);
  }

  /** As {@link removeLower}, for all that is in a folder: an opaque whiteout. */
  removeLowerBelow(folder: string): void {
    if (this.#layer === undefined || !(folder === "" || this.folders.has(folder))) return;
    for (const name of readdirSync(this.at(folder)))
      this.removeLower(folder === "" ? name : `${folder}/${name}`);
  }
}

/** `a/b` of `a/b/c`, "" of `a`. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}
