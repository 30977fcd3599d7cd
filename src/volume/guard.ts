import { statfsSync } from "node:fs";
import { formatBytes, printable } from "../base/index.ts";
import { cleanPath } from "../tar/index.ts";
import { VolumeError } from "./errors.ts";
import type { UnpackLimits } from "./limits.ts";
import type { Disk } from "./unpack-job.ts";

/** How many bytes or entries may pass until the disk's free space is looked at again. */
const LOOK_BYTES = 64 * 1024 ** 2;
const LOOK_ENTRIES = 16 * 1024;

/** Counts what an unpacking uses, and stops it at its limits, before the disk is full. */
export class Guard {
  readonly #limits: UnpackLimits;
  readonly #root: string;
  readonly #disk: Disk;
  #bytes = 0;
  #entries = 0;
  #implied = 0;
  #lookedBytes = 0;
  #lookedEntries = 0;

  constructor(root: string, limits: UnpackLimits, disk: Disk) {
    this.#root = root;
    this.#disk = disk;
    this.#limits = limits;
    this.#look();
  }

  get entries(): number {
    return this.#entries;
  }

  /** Counts uncompressed bytes, whatever they hold. */
  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#limits.bytes) throw this.#tooMany(this.#bytes);
    if (this.#bytes - this.#lookedBytes >= LOOK_BYTES) this.#look();
  }

  /** A file states its size: no need to write what will not fit. */
  announce(size: number): void {
    if (this.#bytes + size > this.#limits.bytes) throw this.#tooMany(this.#bytes + size);
  }

  /** Counts a folder that an entry's path implies: one entry may imply hundreds, and they take room as others do. */
  implied(): void {
    this.#implied++;
    this.#count();
  }

  #count(): void {
    if (this.#entries + this.#implied > this.#limits.entries) {
      throw new VolumeError("limit-entries", `the image has more than ${this.#limits.entries} entries`, {
        hint: "if you trust the image, raise the limit",
      });
    }
    if (this.#entries + this.#implied - this.#lookedEntries >= LOOK_ENTRIES) this.#look();
  }

  /** Counts an entry and gives its path as names, safe to be joined. */
  entry(raw: string): string {
    this.#entries++;
    this.#count();
    const path = inside(raw);
    if (Buffer.byteLength(path) > this.#limits.pathBytes) {
      throw new VolumeError(
        "limit-path",
        `a path has more than ${this.#limits.pathBytes} bytes: ${shown(path)}`,
      );
    }
    const names = path.split("/");
    if (names.length - 1 > this.#limits.depth) {
      throw new VolumeError(
        "limit-depth",
        `a path has more than ${this.#limits.depth} folders: ${shown(path)}`,
      );
    }
    if (names.some((name) => Buffer.byteLength(name) > 255)) {
      throw new VolumeError("entry-invalid", `a name has more than 255 bytes: ${shown(path)}`);
    }
    return path;
  }

  #tooMany(bytes: number): VolumeError {
    const limit = formatBytes(this.#limits.bytes);
    return new VolumeError(
      "limit-bytes",
      `the image unpacks to more than ${limit} (at least ${formatBytes(bytes)})`,
      {
        hint: "if you trust the image, raise the limit",
      },
    );
  }

  #look(): void {
    this.#lookedBytes = this.#bytes;
    this.#lookedEntries = this.#entries + this.#implied;
    const disk = statfsSync(this.#root);
    const free = disk.bavail * disk.bsize;
    if (free >= this.#limits.reserve) return;
    throw new VolumeError(
      "disk-reserve",
      `${formatBytes(free)} are free on the disk of ${this.#disk.folder}; ${formatBytes(this.#limits.reserve)} are kept in reserve`,
      { hint: this.#disk.advice },
    );
  }
}

/** A path or a hard link's target inside the volume. containerd confines `..`; an image that has one is refused here. */
export function inside(raw: string): string {
  const path = cleanPath(raw);
  if (path !== undefined) return path;
  throw new VolumeError("entry-unsafe", `${shown(raw)} would leave the volume`, {
    hint: "the image is broken or hostile: imgvol ls shows its entries",
  });
}

/** A name from an archive, safe and short enough for a message. */
export function shown(path: string): string {
  return printable(JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path));
}
