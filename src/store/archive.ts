import { chmod, chown, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Call, errno, fromFile, syncFolder } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, type Store, StoreError } from "../oci/index.ts";
import { type ArchiveFile, type Known, openFile } from "./archive-file.ts";
import { blobName, extentOf } from "./archive-read.ts";
import { ArchiveSpool, type Spooled } from "./archive-spool.ts";
import { isWrittenAnew, type Part, writeArchive } from "./archive-write.ts";
import { Corner } from "./corner.ts";
import { changing } from "./denied.ts";
import { describe } from "./layout-blobs.ts";
import {
  EMPTY_INDEX,
  find,
  type LayoutIndex,
  names,
  notNamed,
  withoutDigest,
  withoutTag,
  withRoot,
  withTag,
} from "./layout-index.ts";
import { makeStoreFolder, removeEmptyFolders } from "./layout-new.ts";
import { LayoutReferrers, rootsOf } from "./layout-referrers.ts";
import type { Incoming, Medium } from "./medium.ts";
import { verified } from "./verified.ts";

/**
 * An OCI image layout in one tar file (`oci-archive:`) as a store. It is read where it lies, without unpacking. What is stored
 * waits beside it until something names it: a tag, or `roots.add`. Then a whole new file takes the place of the old one, with
 * all that was in that; so a reader, or the next run after a crash, finds the one or the other.
 * @param how `create`: the file need not be there yet
 * @throws StoreError `not-found`, or `store-invalid` where the file is no OCI archive
 */
export async function openArchive(path: string, how: { create?: boolean }, call: Call): Promise<Store> {
  const archive = new Archive(path, await target(path), how.create ?? false);
  await archive.prepare(call);
  return archive.store;
}

/** The folder beside an archive in which a new one is made; it is gone when nobody writes. A file's name has at most 255 bytes. */
export function archiveCorner(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 60)}.imgvol`);
}

/** The file that a symbolic link leads to: replacing the link would leave that one as it was. */
async function target(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return resolve(path);
    throw error;
  }
}

type Parts = Map<string, Part>;

class Archive implements Medium {
  readonly origin: string;
  readonly can: Medium["can"];
  readonly store: Store;
  readonly #path: string;
  readonly #create: boolean;
  readonly #corner: Corner;
  readonly #spool: ArchiveSpool;
  readonly #referrers = new LayoutReferrers();
  /** Referrers to be listed when the file is written next. */
  #enlisted: readonly Descriptor[] = [];
  /** What this store said that the file has, so that it was not given: it must still be there in the end. */
  readonly #relied = new Map<Digest, Descriptor>();
  #known: Known | undefined;
  #madeFolder: string | undefined;

  constructor(written: string, path: string, create: boolean) {
    this.origin = `oci-archive:${written}`;
    this.#path = path;
    this.#create = create;
    this.#corner = new Corner(archiveCorner(path));
    this.#spool = new ArchiveSpool(this.#corner);
    this.can = {
      tags: { list: (call) => this.#list(call) },
      delete: {
        untag: (name, call) => this.#untag(name, call),
        delete: (d, call) => this.#delete(d, call),
      },
      roots: {
        list: (call) => this.#roots(call),
        add: (d, call) => this.#add(d, call),
      },
      referrers: {
        referrers: (subject, call, type) => this.#referrersOf(subject, type, call),
        enlist: async (_subject, d) => {
          this.#enlisted = [...this.#enlisted, d];
        },
      },
    };
    this.store = verified(this);
  }

  async prepare(call: Call): Promise<void> {
    await using file = await this.#open(call);
    if (file === undefined && !this.#create) {
      throw new StoreError("not-found", `${this.origin}: there is no such file`);
    }
  }

  async resolve(wanted: string, call: Call): Promise<Descriptor> {
    await using file = await this.#open(call);
    const index = file?.contents.index ?? EMPTY_INDEX;
    const found = find(index, wanted, this.#path);
    if (found !== undefined) return found;
    if (!isDigest(wanted)) throw notNamed(this.origin, wanted, index);
    const spooled = this.#spool.get(wanted);
    if (spooled !== undefined) return { mediaType: spooled.mediaType, digest: wanted, size: spooled.size };
    const extent = file?.contents.files.get(blobName(wanted));
    if (file === undefined || extent === undefined) throw notNamed(this.origin, wanted, index);
    return await describe(wanted, extent.size, extentOf(file.handle, extent), call);
  }

  async has(d: Descriptor, call: Call): Promise<boolean> {
    if (this.#spool.get(d.digest)?.size === d.size) return true;
    await using file = await this.#open(call);
    if (file?.contents.files.get(blobName(d.digest))?.size !== d.size) return false;
    this.#relied.set(d.digest, d);
    return true;
  }

  async *open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    const spooled = this.#spool.get(d.digest);
    if (spooled !== undefined) return yield* fromFile(spooled.path).open(from, call);
    await using file = await this.#open(call);
    const extent = file?.contents.files.get(blobName(d.digest));
    if (file === undefined || extent === undefined) throw missing(this.origin, d.digest);
    yield* extentOf(file.handle, extent).open(from, call);
  }

  async write(content: Incoming, call: Call): Promise<void> {
    if (content.expected !== undefined && (await this.has(content.expected, call))) return;
    await this.#changing(() => this.#spool.add(content, call));
  }

  async tag(name: string, d: Descriptor, call: Call): Promise<void> {
    await this.#rewrite(call, (index, parts) => {
      this.#mustHave(d, parts);
      return withTag(index, name, d);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool.drop(this.#spool.list());
    const first = this.#madeFolder;
    this.#madeFolder = undefined;
    if (first !== undefined) await removeEmptyFolders(dirname(this.#path), first);
  }

  async *#list(call: Call): AsyncIterable<string> {
    yield* names(await this.#index(call));
  }

  async *#roots(call: Call): AsyncIterable<Descriptor> {
    yield* rootsOf(await this.#index(call));
  }

  async #add(d: Descriptor, call: Call): Promise<void> {
    await this.#rewrite(call, (index, parts) => {
      this.#mustHave(d, parts);
      return withRoot(index, d);
    });
  }

  async *#referrersOf(subject: Digest, type: string | undefined, call: Call): AsyncIterable<Descriptor> {
    const index = this.#enlisted.reduce(withRoot, await this.#index(call));
    yield* this.#referrers.list(this.store, index, subject, type, call);
  }

  async #index(call: Call): Promise<LayoutIndex> {
    await using file = await this.#open(call);
    return file?.contents.index ?? EMPTY_INDEX;
  }

  async #untag(name: string, call: Call): Promise<void> {
    await this.#rewrite(call, (index) => {
      if (!names(index).includes(name)) throw notNamed(this.origin, name, index);
      return withoutTag(index, name);
    });
  }

  async #delete(d: Descriptor, call: Call): Promise<void> {
    await this.#rewrite(call, (index, parts) => {
      this.#mustHave(d, parts);
      parts.delete(blobName(d.digest));
      this.#relied.delete(d.digest);
      return withoutDigest(index, d.digest);
    });
  }

  #mustHave(d: Descriptor, parts: Parts): void {
    if (parts.get(blobName(d.digest))?.size === d.size) return;
    throw missing(this.origin, d.digest);
  }

  /** Puts a new file in the place of the old one, where anything is different in it. */
  async #rewrite(call: Call, change: (index: LayoutIndex, parts: Parts) => LayoutIndex): Promise<void> {
    await this.#changing(async () => {
      await this.#corner.exclusively(call, async () => {
        try {
          await this.#corner.sweep();
          await using file = await openFile(this.#path, this.#known, this.#create, call);
          const before = file?.contents.index ?? EMPTY_INDEX;
          const { spooled, parts } = this.#gather(file);
          const had = parts.size;
          const index = change(this.#enlisted.reduce(withRoot, before), parts);
          const same = index === before && spooled.length === 0 && parts.size === had;
          if (file === undefined || !same) await this.#replace(file, index, [...parts.values()], call);
          this.#enlisted = [];
          await this.#spool.drop(spooled);
        } finally {
          await this.#corner.removeIdle();
        }
      });
    });
  }

  /** What the file has, and what was stored since. */
  #gather(file: ArchiveFile | undefined): { spooled: readonly Spooled[]; parts: Parts } {
    const parts: Parts = new Map();
    if (file !== undefined) {
      if (file.contents.foreign !== undefined) {
        throw new StoreError("unsupported", `${this.origin} holds ${JSON.stringify(file.contents.foreign)}`, {
          hint: "that is no part of a layout, and would be lost; copy the image to a new archive",
        });
      }
      for (const [name, extent] of file.contents.files) {
        if (isWrittenAnew(name)) continue;
        parts.set(name, { name, size: extent.size, source: extentOf(file.handle, extent) });
      }
    }
    const spooled = this.#spool.list();
    for (const { digest, size, path } of spooled) {
      parts.set(blobName(digest), { name: blobName(digest), size, source: fromFile(path) });
    }
    for (const d of this.#relied.values()) this.#mustHave(d, parts);
    return { spooled, parts };
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
    return await changing(this.origin, folder, async () => {
      this.#madeFolder ??= await makeStoreFolder(folder);
      return await work();
    });
  }

  async #open(call: Call): Promise<ArchiveFile | undefined> {
    const file = await openFile(this.#path, this.#known, this.#create, call);
    if (file !== undefined) this.#known = { mark: file.mark, contents: file.contents };
    return file;
  }
}

function missing(origin: string, digest: Digest): StoreError {
  return new StoreError("not-found", `${origin} has no ${digest}`);
}

/** The new file's owner and mode are the old one's, as far as we may. */
async function takeAfter(old: ArchiveFile, path: string): Promise<void> {
  const { uid, gid, mode } = old;
  await chown(path, uid, gid).catch((error: unknown) => {
    if (errno(error) !== "EPERM") throw error;
  });
  await chmod(path, mode & 0o7777);
}
