import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Call, fromFile, printable } from "../base/index.ts";
import { decode } from "../codec/index.ts";
import { cleanPath, type TarHeader, TarReader, type TarSink } from "../tar/index.ts";
import { SourceError } from "./source-errors.ts";

/** Bounds on what one package unpacks to, far above any that is published. */
const MOST_BYTES = 512 * 1024 * 1024;
const MOST_FILES = 100_000;

/**
 * Unpacks an npm package's tarball into a new folder, without its first name (`package/`). No script is run.
 *
 * @param into must not exist
 * @param drops whether a file, by its path in the package, is left out
 * @returns how many files were written
 * @throws SourceError `payload-unsafe`; TarError, CodecError
 */
export async function unpackPackage(
  tarball: string,
  into: string,
  drops: (path: string) => boolean,
  call: Call,
): Promise<number> {
  const sink = new PackageSink(tarball, into, drops);
  const reader = new TarReader(sink);
  try {
    for await (const chunk of decode(fromFile(tarball).open(0, call), "gzip", call)) reader.write(chunk);
    reader.finish();
  } finally {
    sink.close();
  }
  return sink.files;
}

/** Writes files as they come, synchronously: packages are thousands of small files. */
class PackageSink implements TarSink {
  files = 0;
  readonly #tarball: string;
  readonly #into: string;
  readonly #drops: (path: string) => boolean;
  readonly #folders = new Set<string>();
  readonly #written = new Set<string>();
  #file: number | undefined;
  #bytes = 0;

  constructor(tarball: string, into: string, drops: (path: string) => boolean) {
    this.#tarball = tarball;
    this.#into = into;
    this.#drops = drops;
  }

  entry(header: TarHeader): void {
    const clean = cleanPath(header.path);
    if (clean === undefined || /[\\\p{Cc}]/u.test(clean))
      throw this.#unsafe(header, "a name that leads elsewhere");
    if (header.type !== "file" && header.type !== "dir") throw this.#unsafe(header, `a ${header.type}`);
    this.#bytes += header.size;
    if (this.#bytes > MOST_BYTES || this.files > MOST_FILES)
      throw this.#unsafe(header, "more than a package has");
    const path = clean.slice(clean.indexOf("/") + 1);
    // Folders are made for the files in them.
    if (header.type === "dir" || !clean.includes("/") || this.#drops(path)) return;
    const full = join(this.#into, path);
    const folder = dirname(full);
    if (!this.#folders.has(folder)) mkdirSync(folder, { recursive: true });
    this.#folders.add(folder);
    // A path that the archive has twice holds the later one. What we did not write is never opened for writing.
    const flags = this.#written.has(path) ? "w" : "wx";
    this.#file = openSync(full, flags, (header.mode & 0o111) === 0 ? 0o644 : 0o755);
    this.#written.add(path);
    this.files++;
  }

  data(chunk: Uint8Array): void {
    for (let at = 0; this.#file !== undefined && at < chunk.length; ) at += writeSync(this.#file, chunk, at);
  }

  end(): void {
    this.close();
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #unsafe(header: TarHeader, why: string): SourceError {
    return new SourceError(
      "payload-unsafe",
      `${this.#tarball} is no npm package: ${printable(header.path)} is ${why}`,
    );
  }
}
