import { rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Call, exists, makeFolder, quietCall, syncFolder } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, type Store } from "../oci/index.ts";
import { changing } from "./denied.ts";
import { LayoutBlobs } from "./layout-blobs.ts";
import { type Edit, LayoutEdits } from "./layout-edits.ts";
import { find, names, notNamed, withoutDigest, withoutTag, withRoot, withTag } from "./layout-index.ts";
import { IndexFile } from "./layout-index-file.ts";
import { checkLayout, createLayout, discardEmptyLayout } from "./layout-new.ts";
import { LayoutReferrers, rootsOf } from "./layout-referrers.ts";
import { fill, Writers } from "./layout-writers.ts";
import type { Incoming, Medium } from "./medium.ts";
import { verified } from "./verified.ts";

/**
 * An OCI image layout folder (image-spec, image-layout.md) as a store; several processes may use one at once. Content that
 * no tag leads to is found by its digest. Opening reads two small files and holds nothing open.
 * @param how `create`: makes the folder, or fills an empty one; where nothing was put into it, disposing takes it away again.
 *   `origin`: what messages call it, by default `oci:DIR`
 * @throws StoreError `not-found`, or `store-invalid` where the folder is no layout
 */
export async function openLayout(
  dir: string,
  how: { create?: boolean; origin?: string },
  call: Call,
): Promise<Store> {
  const layout = new Layout(dir, how.create ?? false, how.origin ?? `oci:${dir}`);
  await layout.prepare(call);
  return layout.store;
}

class Layout implements Medium {
  readonly origin: string;
  readonly can: Medium["can"];
  readonly store: Store;
  readonly #dir: string;
  readonly #index: IndexFile;
  readonly #create: boolean;
  readonly #blobs: LayoutBlobs;
  readonly #writers: Writers;
  readonly #edits: LayoutEdits;
  readonly #referrers = new LayoutReferrers();
  /** Where this store made the layout, and has put nothing into it yet: the topmost folder that it made. */
  #fresh: { readonly first: string | undefined } | undefined;

  constructor(dir: string, create: boolean, origin: string) {
    this.origin = origin;
    this.#dir = dir;
    this.#index = new IndexFile(join(dir, "index.json"));
    this.#create = create;
    this.#blobs = new LayoutBlobs(dir, this.origin);
    this.#writers = new Writers(dir);
    this.#edits = new LayoutEdits(this.#index.path, this.#writers);
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
      stat: { blob: (digest) => this.#blobs.stat(digest) },
      referrers: {
        referrers: (subject, call, type) => this.#referrersOf(subject, type, call),
        enlist: (_subject, d, call) => this.#add(d, call),
      },
    };
    this.store = verified(this);
  }

  async prepare(call: Call): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      await this.#createIfMissing(call);
      try {
        return await checkLayout(this.#dir, call);
      } catch (error) {
        // Another that had made it, and had nothing to put into it, may just take it away.
        if (!this.#create || attempt === 5 || (await exists(join(this.#dir, "oci-layout")))) throw error;
      }
    }
  }

  async resolve(wanted: string, call: Call): Promise<Descriptor> {
    const index = await this.#index.read(call);
    const found =
      find(index, wanted, this.#index.path) ??
      (isDigest(wanted) ? await this.#blobs.describe(wanted, call) : undefined);
    if (found !== undefined) return found;
    throw notNamed(this.origin, wanted, index);
  }

  async has(d: Descriptor): Promise<boolean> {
    return (await this.#blobs.sizeOf(d.digest)) === d.size;
  }

  open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    return this.#blobs.open(d.digest, from, call);
  }

  async write(content: Incoming, call: Call): Promise<void> {
    if (!content.replace && content.expected !== undefined && (await this.has(content.expected))) return;
    await this.#changing(() =>
      this.#writers.withFile(call, async (path) => {
        // From here on nobody takes the layout away; until here one may have who made it, and failed.
        await this.#createIfMissing(call);
        await fill(path, content, true, call);
        const blob = this.#blobs.path(content.seal().digest);
        await makeFolder(dirname(blob));
        call.signal.throwIfAborted();
        await rename(path, blob);
        this.#fresh = undefined;
        await syncFolder(dirname(blob));
      }),
    );
  }

  async tag(name: string, d: Descriptor, call: Call): Promise<void> {
    await this.#edit(call, async (index) => {
      if (!(await this.has(d))) throw this.#blobs.missing(d.digest);
      return withTag(index, name, d);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = undefined;
    if (fresh !== undefined) await discardEmptyLayout(resolve(this.#dir), fresh.first, quietCall());
  }

  async #createIfMissing(call: Call): Promise<void> {
    if (!this.#create || (await exists(join(this.#dir, "oci-layout")))) return;
    await this.#changing(async () => {
      this.#fresh = (await createLayout(this.#dir, this.#writers, call)) ?? this.#fresh;
    });
  }

  async *#list(call: Call): AsyncIterable<string> {
    yield* names(await this.#index.read(call));
  }

  async *#roots(call: Call): AsyncIterable<Descriptor> {
    yield* rootsOf(await this.#index.read(call));
  }

  async *#referrersOf(subject: Digest, type: string | undefined, call: Call): AsyncIterable<Descriptor> {
    const index = await this.#index.read(call);
    yield* this.#referrers.list(this.store, index, subject, type, call);
  }

  async #add(d: Descriptor, call: Call): Promise<void> {
    await this.#edit(call, async (index) => {
      if (!(await this.has(d))) throw this.#blobs.missing(d.digest);
      return withRoot(index, d);
    });
  }

  async #untag(name: string, call: Call): Promise<void> {
    await this.#edit(call, async (index) => {
      if (!names(index).includes(name)) throw notNamed(this.origin, name, index);
      return withoutTag(index, name);
    });
  }

  async #delete(d: Descriptor, call: Call): Promise<void> {
    await this.#edit(
      call,
      async (index) => {
        if ((await this.#blobs.sizeOf(d.digest)) === undefined) throw this.#blobs.missing(d.digest);
        return index.entries.some((e) => e["digest"] === d.digest) ? withoutDigest(index, d.digest) : index;
      },
      async () => {
        // After the index: a crash between leaves content that nothing names, never a name without content.
        await rm(this.#blobs.path(d.digest), { force: true });
        await syncFolder(dirname(this.#blobs.path(d.digest)));
      },
    );
  }

  async #edit(call: Call, change: Edit["change"], afterwards?: Edit["afterwards"]): Promise<void> {
    await this.#changing(() => this.#edits.make({ change, afterwards }, call));
  }

  #changing<T>(work: () => Promise<T>): Promise<T> {
    return changing(this.origin, this.#dir, work);
  }
}
