import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type ByteSource, type Call, collect, errno, fromFile } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  MANIFEST_LIMIT,
  OciError,
  parseManifestOrIndex,
  StoreError,
} from "../oci/index.ts";

const OCTETS = "application/octet-stream";

/** The files below a layout's `blobs/`. */
export class LayoutBlobs {
  readonly #dir: string;
  readonly #origin: string;

  constructor(dir: string, origin: string) {
    this.#dir = dir;
    this.#origin = origin;
  }

  path(digest: Digest): string {
    return join(this.#dir, "blobs", ...digest.split(":"));
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    try {
      const found = await stat(this.path(digest));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }

  /** A blob by its digest alone, for which no byte of it is read. @throws StoreError `not-found` */
  async stat(digest: Digest): Promise<Descriptor> {
    const size = await this.sizeOf(digest);
    if (size === undefined) throw this.missing(digest);
    return { mediaType: OCTETS, digest, size };
  }

  async *open(digest: Digest, from: number, call: Call): AsyncIterable<Uint8Array> {
    // Also where it is no file: opening a named pipe would wait for ever.
    if ((await this.sizeOf(digest)) === undefined) throw this.missing(digest);
    try {
      yield* fromFile(this.path(digest)).open(from, call);
    } catch (error) {
      throw errno(error) === "ENOENT" || errno(error) === "ENOTDIR" ? this.missing(digest, error) : error;
    }
  }

  /** Content that index.json does not list: the manifests below an index, and blobs. */
  async describe(digest: Digest, call: Call): Promise<Descriptor | undefined> {
    const size = await this.sizeOf(digest);
    return size === undefined ? undefined : describe(digest, size, fromFile(this.path(digest)), call);
  }

  missing(digest: Digest, cause?: unknown): StoreError {
    return new StoreError("not-found", `${this.#origin} has no ${digest}`, { cause });
  }
}

/** Says of content that was named by its digest alone what it looks like: a manifest or an index, or just bytes. */
export async function describe(
  digest: Digest,
  size: number,
  source: ByteSource,
  call: Call,
): Promise<Descriptor> {
  if (size <= MANIFEST_LIMIT) {
    try {
      const bytes = await collect(source.open(0, call), MANIFEST_LIMIT, digest);
      return { mediaType: parseManifestOrIndex(bytes).mediaType, digest, size };
    } catch (error) {
      if (!(error instanceof OciError)) throw error;
    }
  }
  return { mediaType: OCTETS, digest, size };
}
