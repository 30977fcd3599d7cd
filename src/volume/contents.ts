import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { type Call, errno, fromFile } from "../base/index.ts";
import { isObject } from "../oci/index.ts";

/**
 * One line of a volume's record of its contents: what `verify` compares the disk with.
 * A later line about a path replaces an earlier one; `gone` takes away the path and all below it; `hardlink` is the file that
 * its target is at that line, whatever becomes of the target later.
 */
export interface Content {
  readonly path: string;
  readonly type: "file" | "dir" | "symlink" | "hardlink" | "gone";
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

/** What one path of a volume is, once all lines are read. */
export type Known = Omit<Content, "path">;

/** The record of a volume's contents by path; undefined where it is missing or damaged. */
export async function readContents(path: string, call: Call): Promise<Map<string, Known> | undefined> {
  const known = new Map<string, Known>();
  try {
    for await (const line of lines(path, call)) {
      const content = parse(JSON.parse(line));
      if (content === undefined) return undefined;
      const { path: name, ...what } = content;
      if (what.type === "gone") {
        known.delete(name);
        for (const other of known.keys()) if (other.startsWith(`${name}/`)) known.delete(other);
      } else if (what.type === "hardlink") {
        const target = known.get(what.target ?? "");
        if (target === undefined) return undefined;
        known.set(name, target);
      } else known.set(name, what);
    }
  } catch (error) {
    if (error instanceof SyntaxError || errno(error) === "ENOENT") return undefined;
    throw error;
  }
  return known;
}

/** Cut at line feeds alone: JSON lets names hold other characters that readers of text take for a line's end. */
async function* lines(path: string, call: Call): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of fromFile(path).open(0, call)) {
    const whole = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = whole.pop() ?? "";
    yield* whole;
  }
  if (rest !== "") yield rest;
}

const TYPES: ReadonlySet<unknown> = new Set<Content["type"]>(["file", "dir", "symlink", "hardlink", "gone"]);

function parse(json: unknown): Content | undefined {
  if (!isObject(json) || typeof json["path"] !== "string" || !isType(json["type"])) return undefined;
  const { path, type, mode, size, crc, target } = json;
  return {
    path,
    type,
    ...(typeof mode === "number" ? { mode } : {}),
    ...(typeof size === "number" ? { size } : {}),
    ...(typeof crc === "number" ? { crc } : {}),
    ...(typeof target === "string" ? { target } : {}),
  };
}

function isType(value: unknown): value is Content["type"] {
  return TYPES.has(value);
}
