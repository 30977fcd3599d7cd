import { chmod, chown, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Call, errno, fromFile, syncFolder } from "../base/index.ts";
import { type Descriptor, type Digest, StoreError } from "../oci/index.ts";
import { type ArchiveFile, openFile } from "./archive-file.ts";
import { blobName, extentOf } from "./archive-read.ts";
import { ArchiveSpool, type Spooled } from "./archive-spool.ts";
import { isWrittenAnew, type Part, writeArchive } from "./archive-write.ts";
import { Corner } from "./corner.ts";
import { changing } from "./denied.ts";
import { EMPTY_INDEX, type LayoutIndex, withRoot } from "./layout-index.ts";
import { makeStoreFolder, removeEmptyFolders } from "./layout-new.ts";
import type { Incoming } from "./medium.ts";

/** What goes into the next file, by name; an edit may take from it. */
export type Parts = Map<string, Part>;
export type Edit = (index: LayoutIndex, parts: Parts) => LayoutIndex;

/** The folder beside an archive in which a new one is made; it is gone when nobody writes. A file's name has at most 255 bytes. */
export function archiveCorner(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 60)}.imgvol`);
}

/** What one store has for an archive that is not in its file yet, and how a new file comes of it. */
export class ArchiveChanges {
  readonly #origin: string;
  readonly #path: string;
  readonly #create: boolean;
  readonly #corner: Corner;
  readonly #spool: ArchiveSpool;
  /** Referrers to be listed when the file is written next. */
  #enlisted: readonly Descriptor[] = [];
  /** What the store said that the file has, so that it was not given: it must still be there when the file is written. */
  #relied = new Map<Digest, Descriptor>();
  /** The topmost folder that was made for the archive. */
  #madeFolder: string | undefined;

  constructor(origin: string, path: string, create: boolean) {
    this.#origin = origin;
    this.#path = path;
    this.#create = create;
    this.#corner = new Corner(archiveCorner(path));
    this.#spool = new ArchiveSpool(this.#corner);
  }

  spooled(digest: Digest): Spooled | undefined {
    return this.#spool.get(digest);
  }

  /** The index as it would be written now. */
  withEnlisted(index: LayoutIndex): LayoutIndex {
    return this.#enlisted.reduce(withRoot, index);
  }

  enlist(d: Descriptor): void {
    this.#enlisted = [...this.#enlisted, d];
  }

  rely(d: Descriptor): void {
    this.#relied.set(d.digest, d);
  }

  async add(content: Incoming, call: Call): Promise<void> {
    await this.#changing(() => this.#spool.add(content, call));
  }

  /** Puts a new file in the place of the old one, where anything is different in it. */
  async rewrite(call: Call, edit: Edit): Promise<void> {
    await this.#changing(async () => {
      await this.#corner.exclusively(call, async () => {
        try {
          await this.#corner.sweep();
          await this.#edit(call, edit);
        } finally {
          await this.#corner.removeIdle();
        }
      });
    });
  }

  /** Drops what never came into the file. */
  async discard(): Promise<void> {
    await this.#spool.drop(this.#spool.list());
    const first = this.#madeFolder;
    this.#madeFolder = undefined;
    if (first !== undefined) await removeEmptyFolders(dirname(this.#path), first);
  }

  async #edit(call: Call, edit: Edit): Promise<void> {
    // It may have been written since we last looked.
    await using file = await openFile(this.#path, undefined, this.#create, call);
    const parts = file === undefined ? new Map() : this.#partsOf(file);
    const spooled = this.#spool.list();
    for (const { digest, size, path } of spooled) {
      parts.set(blobName(digest), { name: blobName(digest), size, source: fromFile(path) });
    }
    for (const d of this.#relied.values()) mustHave(d, parts, this.#origin);
    const enlisted = this.#enlisted.filter((d) => parts.has(blobName(d.digest)));

    const before = file?.contents.index ?? EMPTY_INDEX;
    const had = parts.size;
    const index = edit(enlisted.reduce(withRoot, before), parts);
    const same = index === before && spooled.length === 0 && parts.size === had;
    if (file === undefined || !same) await this.#replace(file, index, [...parts.values()], call);
    this.#relied = new Map();
    this.#enlisted = this.#enlisted.filter((d) => !enlisted.includes(d));
    await this.#spool.drop(spooled);
  }

  #partsOf(file: ArchiveFile): Parts {
    const { files, foreign } = file.contents;
    if (foreign !== undefined) {
      throw new StoreError("unsupported", `${this.#origin} holds ${JSON.stringify(foreign)}`, {
        hint: "that is no part of a layout, and would be lost; copy the image to a new archive",
      });
    }
    const kept = [...files].filter(([name]) => !isWrittenAnew(name));
    return new Map(
      kept.map(([name, extent]) => [
        name,
        { name, size: extent.size, source: extentOf(file.handle, extent) },
      ]),
    );
  }

  async #replace(
    old: ArchiveFile | undefined,
    index: LayoutIndex,
    parts: readonly Part[],
    call: Call,
  ): Promise<void> {
    const { next } = this.#corner;
    try {
      await writeArchive(next, index, parts, call);
      if (old !== undefined) await takeAfter(old, next);
      call.signal.throwIfAborted();
      await rename(next, this.#path);
    } finally {
      await rm(next, { force: true });
    }
    this.#madeFolder = undefined;
    await syncFolder(dirname(this.#path));
  }

  async #changing<T>(work: () => Promise<T>): Promise<T> {
    const folder = dirname(this.#path);
    return await changing(this.#origin, folder, async () => {
      const made = await makeStoreFolder(folder);
      // Several may be at it side by side, and each makes a part.
      const topmost = made !== undefined && made.length < (this.#madeFolder?.length ?? Infinity);
      if (topmost) this.#madeFolder = made;
      return await work();
    });
  }
}

/** @throws StoreError `not-found` */
export function mustHave(d: Descriptor, parts: Parts, origin: string): void {
  if (parts.get(blobName(d.digest))?.size === d.size) return;
  throw new StoreError("not-found", `${origin} has no ${d.digest}`, {
    hint: "if it had it before, another process has taken it away; run the command again",
  });
}

/** The new file's owner and mode are the old one's, as far as we may. */
async function takeAfter(old: ArchiveFile, path: string): Promise<void> {
  const { uid, gid, mode } = old;
  await chown(path, uid, gid).catch((error: unknown) => {
    if (errno(error) !== "EPERM") throw error;
  });
  await chmod(path, mode & 0o777);
}
