import { type Call, printable } from "../base/index.ts";
import { decode } from "../codec/index.ts";
import { cleanPath, type TarHeader, TarReader, type TarSink } from "../tar/index.ts";
import { readChunks } from "./source-download.ts";
import { SourceError } from "./source-errors.ts";

/** Takes a package's files one after the other: for each `begin`, its bytes, `end`. Synchronous: they are small. */
export interface FileReceiver {
  /** `path` is below the package's folder. A path may come twice: the later file counts. */
  begin(path: string, size: number, executable: boolean): void;
  /** The chunk is to be used before returning. */
  data(chunk: Uint8Array): void;
  end(): void;
}

/** Bounds on what one package unpacks to, far above any that is published. */
const MOST_BYTES = 512 * 1024 * 1024;
const MOST_FILES = 100_000;

/**
 * Reads an npm package's tarball: its files, without their first folder (`package/`). Nothing of it is run.
 *
 * @param drops whether a file, by its path in the package, is left out
 * @returns how many files `receiver` was given; after each chunk of the tarball, a pause in which it may be emptied
 * @throws SourceError `payload-unsafe`; TarError, CodecError; what `receiver` throws
 */
export async function* readPackage(
  tarball: string,
  receiver: FileReceiver,
  drops: (path: string) => boolean,
  call: Call,
): AsyncGenerator<void, number> {
  const sink = new PackageSink(tarball, receiver, drops);
  const reader = new TarReader(sink);
  for await (const chunk of decode(readChunks(tarball, call), "gzip", call)) {
    reader.write(chunk);
    yield;
  }
  reader.finish();
  return sink.files;
}

class PackageSink implements TarSink {
  files = 0;
  readonly #tarball: string;
  readonly #receiver: FileReceiver;
  readonly #drops: (path: string) => boolean;
  #open = false;
  #bytes = 0;

  constructor(tarball: string, receiver: FileReceiver, drops: (path: string) => boolean) {
    this.#tarball = tarball;
    this.#receiver = receiver;
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
    this.#open = header.type === "file" && clean.includes("/") && !this.#drops(path);
    if (!this.#open) return;
    this.files++;
    this.#receiver.begin(path, header.size, (header.mode & 0o111) !== 0);
  }

  data(chunk: Uint8Array): void {
    if (this.#open) this.#receiver.data(chunk);
  }

  end(): void {
    if (this.#open) this.#receiver.end();
    this.#open = false;
  }

  #unsafe(header: TarHeader, why: string): SourceError {
    return new SourceError(
      "payload-unsafe",
      `${this.#tarball} is no npm package: ${printable(header.path)} is ${why}`,
    );
  }
}
