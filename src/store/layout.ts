import { readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import {
  asDiskError,
  type Call,
  collect,
  errno,
  fromFile,
  makeFolder,
  quietCall,
  syncFolder,
} from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  isDigest,
  MANIFEST_LIMIT,
  OciError,
  parseManifestOrIndex,
  type Store,
  StoreError,
} from "../oci/index.ts";
import {
  EMPTY_INDEX,
  find,
  formatIndex,
  type LayoutIndex,
  names,
  readIndex,
  readJson,
  withoutDigest,
  withoutTag,
  withTag,
} from "./layout-index.ts";
import { discardEmptyLayout, makeLayoutFolder } from "./layout-new.ts";
import { CORNER, fill, Writers } from "./layout-writers.ts";
import type { Incoming, Medium } from "./medium.ts";
import { verified } from "./verified.ts";

const VERSION = "1.0.0";

/**
 * An OCI image layout folder (image-spec, image-layout.md) as a store; several processes may use one at once. Content that
 * no tag leads to is found by its digest. Opening reads two small files and holds nothing open.
 * @param how `create`: makes the folder, or fills an empty one; where nothing was put into it, disposing takes it away again
 * @throws StoreError `not-found`, or `store-invalid` where the folder is no layout
 */
export async function openLayout(dir: string, how: { create?: boolean }, call: Call): Promise<Store> {
  return verified(await layoutMedium(dir, how, call));
}

/** Where a layout's bytes lie. */
export async function layoutMedium(dir: string, how: { create?: boolean }, call: Call): Promise<Medium> {
  const layout = new Layout(dir);
  if (how.create === true && !(await isThere(join(dir, "oci-layout")))) await layout.create(call);
  await layout.check(call);
  return layout;
}

class Layout implements Medium {
  readonly origin: string;
  readonly can: Medium["can"];
  readonly #dir: string;
  readonly #index: string;
  readonly #writers: Writers;
  /** Where this store made the layout, and has put nothing into it yet: the topmost folder that it made. */
  #fresh: { readonly first: string | undefined } | undefined;

  constructor(dir: string) {
    this.origin = `oci:${dir}`;
    this.#dir = dir;
    this.#index = join(dir, "index.json");
    this.#writers = new Writers(dir);
    this.can = {
      tags: { list: (call) => this.#list(call) },
      delete: {
        untag: (name, call) => this.#untag(name, call),
        delete: (d, call) => this.#delete(d, call),
      },
    };
  }

  async check(call: Call): Promise<void> {
    if (!(await isThere(this.#dir))) {
      throw new StoreError("not-found", `${this.origin}: there is no such folder`);
    }
    const path = join(this.#dir, "oci-layout");
    const { json } = await readJson(path, call, MANIFEST_LIMIT);
    const version = json["imageLayoutVersion"];
    if (typeof version !== "string" || !version.startsWith("1.")) {
      throw new StoreError(
        "store-invalid",
        `${path} has imageLayoutVersion ${JSON.stringify(version)}, not ${VERSION}`,
      );
    }
    await readIndex(this.#index, call);
  }

  async create(call: Call): Promise<void> {
    const ours = new Set([CORNER, "blobs", "index.json", "oci-layout"]);
    await this.#changing(async () => {
      const first = await makeLayoutFolder(this.#dir);
      const foreign = (await readdir(this.#dir)).find((name) => !ours.has(name));
      if (foreign !== undefined) {
        throw new StoreError("store-invalid", `${this.#dir} is no image layout, and has ${foreign} in it`, {
          hint: "name an image layout, or a folder that is new or empty",
        });
      }
      await this.#writers.exclusively(call, async () => {
        if (await isThere(join(this.#dir, "oci-layout"))) return;
        await makeFolder(join(this.#dir, "blobs", "sha256"));
        if (!(await isThere(this.#index))) await this.#writers.replace(this.#index, formatIndex(EMPTY_INDEX));
        // Last: what has an oci-layout file is whole.
        const marker = Buffer.from(JSON.stringify({ imageLayoutVersion: VERSION }));
        await this.#writers.replace(join(this.#dir, "oci-layout"), marker);
        this.#fresh = { first };
      });
    });
  }

  async resolve(wanted: string, call: Call): Promise<Descriptor> {
    const index = await readIndex(this.#index, call);
    const found =
      find(index, wanted, this.#index) ?? (isDigest(wanted) ? await this.#describe(wanted, call) : undefined);
    if (found !== undefined) return found;
    const there = names(index);
    const what = isDigest(wanted) ? wanted : `tag ${wanted}`;
    throw new StoreError("not-found", `${this.origin} has no ${what}`, {
      hint:
        there.length === 0
          ? "it has no tags"
          : `it has ${there.slice(0, 5).join(", ")}${there.length > 5 ? ", …" : ""}`,
    });
  }

  async has(d: Descriptor): Promise<boolean> {
    return (await this.#sizeOf(d.digest)) === d.size;
  }

  async *open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    // Also where it is no file: opening a named pipe would wait for ever.
    if ((await this.#sizeOf(d.digest)) === undefined) throw this.#missing(d.digest);
    try {
      yield* fromFile(this.#blob(d.digest)).open(from, call);
    } catch (error) {
      throw errno(error) === "ENOENT" || errno(error) === "ENOTDIR" ? this.#missing(d.digest, error) : error;
    }
  }

  async write(content: Incoming, call: Call): Promise<void> {
    if (content.expected !== undefined && (await this.has(content.expected))) return;
    await this.#changing(() =>
      this.#writers.withFile(call, async (path) => {
        await fill(path, content, call);
        const blob = this.#blob(content.seal().digest);
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
      if (!(await this.has(d))) throw this.#missing(d.digest);
      return withTag(index, name, d);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = undefined;
    if (fresh !== undefined) await discardEmptyLayout(resolve(this.#dir), fresh.first, quietCall());
  }

  async *#list(call: Call): AsyncIterable<string> {
    yield* names(await readIndex(this.#index, call));
  }

  async #untag(name: string, call: Call): Promise<void> {
    await this.#edit(call, async (index) => {
      if (!names(index).includes(name)) {
        throw new StoreError("not-found", `${this.origin} has no tag ${name}`);
      }
      return withoutTag(index, name);
    });
  }

  async #delete(d: Descriptor, call: Call): Promise<void> {
    await this.#edit(
      call,
      async (index) => {
        if ((await this.#sizeOf(d.digest)) === undefined) throw this.#missing(d.digest);
        return index.entries.some((e) => e["digest"] === d.digest) ? withoutDigest(index, d.digest) : index;
      },
      async () => {
        // After the index: a crash between leaves content that nothing names, never a name without content.
        await rm(this.#blob(d.digest), { force: true });
        await syncFolder(dirname(this.#blob(d.digest)));
      },
    );
  }

  async #edit(
    call: Call,
    change: (index: LayoutIndex) => Promise<LayoutIndex>,
    afterwards?: () => Promise<void>,
  ): Promise<void> {
    await this.#changing(() =>
      this.#writers.exclusively(call, async () => {
        const now = await readIndex(this.#index, call);
        const next = await change(now);
        if (next !== now) await this.#writers.replace(this.#index, formatIndex(next));
        await afterwards?.();
      }),
    );
  }

  /** Errors of the disk as what they mean for a store. */
  async #changing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!this.#refused(error)) throw asDiskError(error, this.#dir);
      throw new StoreError("denied", `${this.origin} cannot be written`, {
        hint: `check who owns ${this.#dir}, and whether its disk is read-only`,
        cause: error,
      });
    }
  }

  /** Whether it is our own folder that we may not change: a source's errors pass here too. */
  #refused(error: unknown): boolean {
    const code = errno(error);
    if (code === "ERR_SQLITE_ERROR" || code === "folder-unwritable") return true;
    const path = error instanceof Error && "path" in error ? error.path : undefined;
    const ours = typeof path === "string" && path.startsWith(this.#dir);
    return ours && (code === "EACCES" || code === "EPERM" || code === "EROFS");
  }

  /** Content that index.json does not list: the manifests below an index, and blobs. */
  async #describe(digest: Digest, call: Call): Promise<Descriptor | undefined> {
    const size = await this.#sizeOf(digest);
    if (size === undefined) return undefined;
    return { mediaType: await this.#mediaTypeOf(digest, size, call), digest, size };
  }

  async #mediaTypeOf(digest: Digest, size: number, call: Call): Promise<string> {
    const blob = fromFile(this.#blob(digest));
    if (size <= MANIFEST_LIMIT) {
      try {
        return parseManifestOrIndex(await collect(blob.open(0, call), MANIFEST_LIMIT, digest)).mediaType;
      } catch (error) {
        if (!(error instanceof OciError)) throw error;
      }
    }
    return "application/octet-stream";
  }

  async #sizeOf(digest: Digest): Promise<number | undefined> {
    try {
      const found = await stat(this.#blob(digest));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }

  #blob(digest: Digest): string {
    return join(this.#dir, "blobs", ...digest.split(":"));
  }

  #missing(digest: Digest, cause?: unknown): StoreError {
    return new StoreError("not-found", `${this.origin} has no ${digest}`, { cause });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return false;
    throw error;
  }
}
