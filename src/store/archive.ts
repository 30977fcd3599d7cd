import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { asDiskError, type Call, errno, fromFile } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, type Store, StoreError } from "../oci/index.ts";
import { ArchiveChanges, mustHave } from "./archive-changes.ts";
import { type ArchiveFile, type Known, openFile } from "./archive-file.ts";
import { blobName, extentOf } from "./archive-read.ts";
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

/** The file that a symbolic link leads to: replacing the link would leave that one as it was. */
async function target(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return resolve(path);
    throw asDiskError(error, path);
  }
}

class Archive implements Medium {
  readonly origin: string;
  readonly can: Medium["can"];
  readonly store: Store;
  readonly #path: string;
  readonly #create: boolean;
  readonly #changes: ArchiveChanges;
  readonly #referrers = new LayoutReferrers();
  #known: Known | undefined;

  constructor(written: string, path: string, create: boolean) {
    this.origin = `oci-archive:${written}`;
    this.#path = path;
    this.#create = create;
    this.#changes = new ArchiveChanges(this.origin, path, create);
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
        enlist: async (_subject, d) => this.#changes.enlist(d),
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
    const spooled = this.#changes.spooled(wanted);
    if (spooled !== undefined) return { mediaType: spooled.mediaType, digest: wanted, size: spooled.size };
    const extent = file?.contents.files.get(blobName(wanted));
    if (file === undefined || extent === undefined) throw notNamed(this.origin, wanted, index);
    return await describe(wanted, extent.size, extentOf(file.handle, extent), call);
  }

  async has(d: Descriptor, call: Call): Promise<boolean> {
    if (this.#changes.spooled(d.digest)?.size === d.size) return true;
    await using file = await this.#open(call);
    if (file?.contents.files.get(blobName(d.digest))?.size !== d.size) return false;
    this.#changes.rely(d);
    return true;
  }

  async *open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    const spooled = this.#changes.spooled(d.digest);
    if (spooled !== undefined) return yield* fromFile(spooled.path).open(from, call);
    await using file = await this.#open(call);
    const extent = file?.contents.files.get(blobName(d.digest));
    if (file === undefined || extent === undefined) throw missing(this.origin, d.digest);
    yield* extentOf(file.handle, extent).open(from, call);
  }

  async write(content: Incoming, call: Call): Promise<void> {
    const { expected, replace } = content;
    if (!replace && expected !== undefined && (await this.has(expected, call))) return;
    await this.#changes.add(content, call);
  }

  async tag(name: string, d: Descriptor, call: Call): Promise<void> {
    await this.#changes.rewrite(call, (index, parts) => {
      mustHave(d, parts, this.origin);
      return withTag(index, name, d);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#changes.discard();
  }

  async *#list(call: Call): AsyncIterable<string> {
    yield* names(await this.#index(call));
  }

  async *#roots(call: Call): AsyncIterable<Descriptor> {
    yield* rootsOf(await this.#index(call));
  }

  async #add(d: Descriptor, call: Call): Promise<void> {
    await this.#changes.rewrite(call, (index, parts) => {
      mustHave(d, parts, this.origin);
      return withRoot(index, d);
    });
  }

  async *#referrersOf(subject: Digest, type: string | undefined, call: Call): AsyncIterable<Descriptor> {
    const index = this.#changes.withEnlisted(await this.#index(call));
    yield* this.#referrers.list(this.store, index, subject, type, call);
  }

  async #index(call: Call): Promise<LayoutIndex> {
    await using file = await this.#open(call);
    return file?.contents.index ?? EMPTY_INDEX;
  }

  async #untag(name: string, call: Call): Promise<void> {
    await this.#changes.rewrite(call, (index) => {
      if (!names(index).includes(name)) throw notNamed(this.origin, name, index);
      return withoutTag(index, name);
    });
  }

  async #delete(d: Descriptor, call: Call): Promise<void> {
    await this.#changes.rewrite(call, (index, parts) => {
      mustHave(d, parts, this.origin);
      parts.delete(blobName(d.digest));
      return withoutDigest(index, d.digest);
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
