import type { Entry } from "./entry.ts";
import { TarError } from "./errors.ts";
import { BLOCK, checksums, type Field, Fields, USTAR_MAGIC } from "./layout.ts";
import { encodeRecords } from "./pax.ts";

const TYPE_FLAGS = { file: "0", hardlink: "1", symlink: "2", dir: "5" } as const;

/** Every extended header has this name: one that spoke of the entry, or of a process, would only add bytes. */
const PAX_NAME = "PaxHeader";

const ZEROS: Buffer = Buffer.alloc(2 * BLOCK);

/** What ends an archive: two blocks of zeros. */
export const TRAILER: Uint8Array = ZEROS;

/** The zeros that fill up contents of `size` bytes to whole blocks: at most 511 bytes. */
export function padding(size: number): Uint8Array {
  return ZEROS.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}

/**
 * An entry's header: one ustar block, after an extended (pax) header where ustar cannot say it. The bytes
 * depend on nothing but the entry: no user names, no times of its own, no process id.
 *
 * @throws TarError `entry-invalid` for what tar cannot express (a zero byte in a name, a fraction)
 */
export function encodeHeader(entry: Entry): Uint8Array {
  check(entry);
  const path = entry.type === "dir" ? `${entry.path === "" ? "." : entry.path}/` : entry.path;
  const target = entry.type === "symlink" || entry.type === "hardlink" ? entry.target : "";
  const size = entry.type === "file" ? entry.size : 0;

  const more = new Map<string, string>();
  const parts = split(path);
  if (parts === undefined) more.set("path", path);
  const [prefix, name] = parts ?? ["", plain(path)];
  const short = fits(target, Fields.linkName);
  if (!short) more.set("linkpath", target);
  const number = (key: string, value: number, field: Field): number => {
    if (value >= 0 && value < 8 ** (field[1] - 1)) return value;
    more.set(key, String(value));
    return 0;
  };
  const header = encodeBlock({
    prefix,
    name,
    link: short ? target : plain(target),
    mode: entry.mode,
    uid: number("uid", entry.uid, Fields.uid),
    gid: number("gid", entry.gid, Fields.gid),
    size: number("size", size, Fields.size),
    mtime: number("mtime", entry.mtime, Fields.mtime),
    type: TYPE_FLAGS[entry.type],
  });
  if (more.size === 0) return header;

  const records = encodeRecords(more);
  const common = { prefix: "", link: "", mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  const extended = encodeBlock({ ...common, name: PAX_NAME, size: records.length, type: "x" });
  return Buffer.concat([extended, records, padding(records.length), header]);
}

function check(entry: Entry): void {
  const wrong = (what: string): TarError =>
    new TarError("entry-invalid", `tar cannot hold ${JSON.stringify(entry.path)}: ${what}`);
  if (entry.path.includes("\0")) throw wrong("its name has a zero byte");
  if (entry.path === "" && entry.type !== "dir") throw wrong("it has no name");
  if (!Number.isInteger(entry.mode) || entry.mode < 0 || entry.mode > 0o7777) throw wrong("its mode is odd");
  const numbers = [entry.mtime, entry.uid, entry.gid, entry.type === "file" ? entry.size : 0];
  if (!numbers.every(Number.isSafeInteger)) throw wrong("a number of it is not whole");
  if (numbers.slice(1).some((n) => n < 0)) throw wrong("a number of it is negative");
  if ((entry.type === "symlink" || entry.type === "hardlink") && !/^[^\0]+$/.test(entry.target)) {
    throw wrong("its link has no proper target");
  }
}

interface Values {
  readonly prefix: string;
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly type: string;
}

function encodeBlock(v: Values): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, [offset, length]: Field) =>
    block.write(value.toString(8).padStart(length - 1, "0"), offset, "latin1");
  block.write(v.name, Fields.name[0], "latin1");
  octal(v.mode, Fields.mode);
  octal(v.uid, Fields.uid);
  octal(v.gid, Fields.gid);
  octal(v.size, Fields.size);
  octal(v.mtime, Fields.mtime);
  block.write(v.type, Fields.type[0], "latin1");
  block.write(v.link, Fields.linkName[0], "latin1");
  block.write(USTAR_MAGIC, Fields.magic[0], "latin1");
  octal(0, Fields.deviceMajor);
  octal(0, Fields.deviceMinor);
  block.write(v.prefix, Fields.prefix[0], "latin1");
  // Six digits, a zero byte and a space: the checksum's own, odd form.
  const sum = checksums(block).unsigned.toString(8).padStart(6, "0");
  block.write(`${sum}\0 `, Fields.checksum[0], "latin1");
  return block;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII is meant
const ASCII = /^[\x01-\x7f]*$/;

function fits(text: string, [, length]: Field): boolean {
  return text.length <= length && ASCII.test(text);
}

/** A path as ustar's prefix and name, cut at a slash; undefined where it does not fit. */
function split(path: string): [prefix: string, name: string] | undefined {
  if (fits(path, Fields.name)) return ["", path];
  // The last character may be a folder's slash, which belongs to the name.
  const cut = path.lastIndexOf("/", Math.min(Fields.prefix[1], path.length - 2));
  if (cut <= 0 || !ASCII.test(path)) return undefined;
  const name = path.slice(cut + 1);
  return name.length <= Fields.name[1] ? [path.slice(0, cut), name] : undefined;
}

/** What a reader without pax would see in place of a name that ustar cannot say. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, "_").slice(0, Fields.name[1]);
}
