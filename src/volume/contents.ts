import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

/**
 * One line of a volume's record of its contents: what `verify` compares the disk with.
 * A later line about a path replaces an earlier one; `gone` takes away the path and all below it.
 */
export interface Content {
  readonly path: string;
  readonly type: "file" | "dir" | "symlink" | "gone";
  /** Permission bits. Not of symbolic links. */
  readonly mode?: number;
  readonly size?: number;
  /** CRC-32 of a file's bytes: against disks and accidents, not against the cache's own owner. */
  readonly crc?: number;
  readonly target?: string;
}

const FLUSH = 256 * 1024;

/** Writes the record while a volume is unpacked: memory does not grow with the number of entries. */
export class ContentsWriter {
  readonly #fd: number;
  #pending: string[] = [];
  #size = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "wx", 0o600);
  }

  add(content: Content): void {
    const line = JSON.stringify(content);
    this.#pending.push(line);
    this.#size += line.length + 1;
    if (this.#size >= FLUSH) this.#flush();
  }

  close(): void {
    this.#flush();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const bytes = Buffer.from(`${this.#pending.join("\n")}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    this.#pending = [];
    this.#size = 0;
  }
}
