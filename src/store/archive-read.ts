import type { FileHandle } from "node:fs/promises";
import { type ByteSource, type Call, CHUNK, collect } from "../base/index.ts";
import { sniff } from "../codec/index.ts";
import { type Digest, MANIFEST_LIMIT, StoreError } from "../oci/index.ts";
import { cleanPath, TarError, type TarHeader, TarReader } from "../tar/index.ts";
import { INDEX_LIMIT, indexOf, type LayoutIndex, parseJson } from "./layout-index.ts";
import { checkVersion } from "./layout-new.ts";

/** Where a file's bytes lie in an archive. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** What an archive holds: found in one pass over its headers, without reading what is between them. */
export interface Contents {
  readonly index: LayoutIndex;
  /** The regular files by name, as unpacking would leave them: of several under one name, the last. */
  readonly files: ReadonlyMap<string, Extent>;
  /** A link, a device or a name that leads out: nothing of ours, but nothing that a rewritten archive could keep either. */
  readonly foreign: string | undefined;
}

/** The name of a blob in a layout. */
export function blobName(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** More entries than any image has: what is remembered of each stays in memory. */
const ENTRIES_LIMIT = 200_000;
/** Names of a layout are short; those of other tools' files beside them too. */
const LIMITS = { pathBytes: 512, extendedBytes: 64 * 1024 };
const WINDOW = 16 * 1024;
const BLOCK = 512;
/** Of headers, long names and extended headers: more than that many entries need. */
const HEADERS_LIMIT = ENTRIES_LIMIT * 4 * BLOCK;

/** What a layout is made of. A link in such a place could stand for anything. */
const OURS = /^(?:oci-layout|index\.json|blobs(?:\/.*)?)$/s;

/** @throws StoreError `store-invalid`, which names the file and what is wrong with it */
export async function readContents(
  file: FileHandle,
  path: string,
  size: number,
  call: Call,
): Promise<Contents> {
  const listing = new Listing(path);
  try {
    await readHeaders(file, size, listing, call);
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    throw new StoreError("store-invalid", `${path}: ${error.message}`, {
      hint: "it is no tar archive, or it was cut or damaged on its way",
      cause: error,
    });
  }
  const { files, foreign } = listing;
  const read = async (name: string, limit: number): Promise<string> => {
    const extent = files.get(name);
    if (extent === undefined) throw noLayout(path, name, files);
    const bytes = await collect(extentOf(file, extent).open(0, call), limit, `${path}: ${name}`);
    return Buffer.from(bytes).toString("utf8");
  };
  const marker = parseJson(await read("oci-layout", MANIFEST_LIMIT), `${path}: oci-layout`);
  checkVersion(marker.json, `${path}: oci-layout`);
  const index = indexOf(
    parseJson(await read("index.json", INDEX_LIMIT), `${path}: index.json`),
    `${path}: index.json`,
  );
  return { index, files, foreign };
}

/** An archive's file, from any offset. It ends early where the archive was cut after it was listed. */
export function extentOf(file: FileHandle, extent: Extent): ByteSource {
  return {
    size: extent.size,
    async *open(from, call) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, Math.max(extent.size - from, 1)));
      for (let at = from; at < extent.size; ) {
        call.signal.throwIfAborted();
        const length = Math.min(buffer.length, extent.size - at);
        const { bytesRead } = await file.read(buffer, 0, length, extent.offset + at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
  };
}

async function readHeaders(file: FileHandle, size: number, listing: Listing, call: Call): Promise<void> {
  const reader = new TarReader(listing, LIMITS);
  const window = Buffer.alloc(WINDOW);
  let start = 0;
  let filled = 0;
  let fed = 0;
  for (let at = 0; at < size && !reader.ended; ) {
    if (at < start || at + BLOCK > start + filled) {
      call.signal.throwIfAborted();
      start = at;
      filled = (await file.read(window, 0, WINDOW, at)).bytesRead;
      if (filled === 0) break;
      if (at === 0) refuseCompressed(window.subarray(0, filled), listing.path);
    }
    // A block at a time, so that the contents that a header announces are passed over from their first byte.
    const block = window.subarray(at - start, Math.min(at - start + BLOCK, filled));
    at += block.length;
    listing.offset = at;
    fed += block.length;
    if (fed > HEADERS_LIMIT)
      throw new TarError("tar-limit", `its headers are more than ${HEADERS_LIMIT} bytes`);
    reader.write(block);
    at += reader.skip();
    if (at > size) throw new TarError("tar-truncated", "the tar archive ends in the middle of an entry");
  }
  reader.finish();
}

class Listing {
  readonly path: string;
  readonly files: Map<string, Extent> = new Map();
  foreign: string | undefined;
  /** Where the contents of the entry that comes next begin. */
  offset = 0;
  #entries = 0;

  constructor(path: string) {
    this.path = path;
  }

  entry({ path, type, size }: TarHeader): void {
    if (++this.#entries > ENTRIES_LIMIT) {
      throw new StoreError("store-invalid", `${this.path} has more than ${ENTRIES_LIMIT} entries`);
    }
    const name = cleanPath(path);
    const ours = name !== undefined && OURS.test(name);
    if (ours && type !== "file" && type !== "dir") {
      throw new StoreError("store-invalid", `${this.path}: ${name} is a ${type}, not a file`, {
        hint: "make the archive of plain files: tar --hard-dereference -h",
      });
    }
    if (type === "dir") return;
    if (name === undefined || type !== "file") {
      this.foreign ??= path;
      return;
    }
    // Readers differ over which of two counts: one could be shown to a scanner, the other to a runtime.
    if (this.files.has(name) && (name === "index.json" || name === "oci-layout")) {
      throw new StoreError("store-invalid", `${this.path} has ${name} twice`, {
        hint: "unpack it, see that it is what you want, and use oci:FOLDER",
      });
    }
    this.files.set(name, { offset: this.offset, size });
  }

  data(): void {}

  end(): void {}
}

function refuseCompressed(first: Uint8Array, path: string): void {
  const bytes = Buffer.from(first.subarray(0, 6));
  const sniffed = sniff(bytes);
  const program =
    sniffed !== "none"
      ? sniffed
      : bytes.toString("latin1", 0, 3) === "BZh"
        ? "bzip2"
        : bytes.toString("latin1") === "\xfd7zXZ\0"
          ? "xz"
          : undefined;
  if (program === undefined) return;
  throw new StoreError(
    "store-invalid",
    `${path} is compressed with ${program}; an archive is read where it lies`,
    { hint: `unpack it first: ${program} -d < ${path} > plain.tar (its layers are compressed anyway)` },
  );
}

function noLayout(path: string, missing: string, files: ReadonlyMap<string, Extent>): StoreError {
  const docker = files.has("manifest.json");
  return new StoreError("store-invalid", `${path} has no ${missing}: it is no OCI archive`, {
    hint: docker
      ? "it is one of docker save's own form; skopeo copy docker-archive:FILE oci-archive:OTHER converts it"
      : "an OCI archive has oci-layout, index.json and blobs at its top",
  });
}
