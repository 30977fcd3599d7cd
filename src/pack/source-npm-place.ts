import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { encodeHeader, padding } from "../tar/index.ts";
import type { FileReceiver } from "./source-npm-package.ts";

/** Writes files below a folder, which must not exist yet. Dispose to close what an error left open. */
export class FolderReceiver implements FileReceiver, Disposable {
  readonly #into: string;
  readonly #folders = new Set<string>();
  readonly #written = new Set<string>();
  #file: number | undefined;

  constructor(into: string) {
    this.#into = into;
  }

  begin(path: string, _size: number, executable: boolean): void {
    const full = join(this.#into, path);
    const folder = dirname(full);
    if (!this.#folders.has(folder)) mkdirSync(folder, { recursive: true });
    this.#folders.add(folder);
    // What we did not write ourselves is never opened for writing.
    this.#file = openSync(full, this.#written.has(path) ? "w" : "wx", executable ? 0o755 : 0o644);
    this.#written.add(path);
  }

  data(chunk: Uint8Array): void {
    for (let at = 0; this.#file !== undefined && at < chunk.length; ) at += writeSync(this.#file, chunk, at);
  }

  end(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/** Makes files entries of a tar archive, whose bytes are taken from it as they come. */
export class TarReceiver implements FileReceiver {
  readonly #below: string;
  #parts: Uint8Array[] = [];
  #size = 0;

  /** @param below the folder that the files go to in the archive; "" for its root */
  constructor(below: string) {
    this.#below = below;
  }

  begin(path: string, size: number, executable: boolean): void {
    const full = this.#below === "" ? path : `${this.#below}/${path}`;
    const mode = executable ? 0o755 : 0o644;
    const body = { size, open: async function* () {} };
    this.#parts.push(encodeHeader({ type: "file", path: full, mode, uid: 0, gid: 0, mtime: 0, size, body }));
    this.#size = size;
  }

  data(chunk: Uint8Array): void {
    this.#parts.push(Buffer.from(chunk));
  }

  end(): void {
    this.#parts.push(padding(this.#size));
  }

  /** What has come since the last time. */
  take(): Uint8Array {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes;
  }
}
