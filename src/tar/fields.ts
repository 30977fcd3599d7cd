import { isUtf8 } from "node:buffer";
import { TarError } from "./errors.ts";
import { BLOCK, checksums, type Field, Fields, USTAR_MAGIC } from "./layout.ts";

/** A header block's fields, before any extended header has its say. */
export interface RawHeader {
  readonly path: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  /** The type flag, one character. */
  readonly type: string;
}

/**
 * Reads a header block of any dialect: v7, ustar, GNU.
 * @throws TarError `tar-invalid`, `tar-unsupported`
 */
export function decodeBlock(block: Buffer): RawHeader {
  const sums = checksums(block);
  const given = number(block, Fields.checksum, "checksum");
  if (given !== sums.unsigned && given !== sums.signed) {
    throw new TarError(
      "tar-invalid",
      "a header's checksum is wrong: this is not a tar archive, or it is damaged",
    );
  }
  const magic = block.toString("latin1", Fields.magic[0], Fields.magic[0] + Fields.magic[1]);
  // Only ustar has a prefix; GNU keeps other things in its place.
  const prefix = magic === USTAR_MAGIC ? string(block, Fields.prefix) : "";
  const name = string(block, Fields.name);
  const type = String.fromCharCode(block[Fields.type[0]] ?? 0);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    target: string(block, Fields.linkName),
    mode: number(block, Fields.mode, "mode") & 0o7777,
    uid: number(block, Fields.uid, "uid"),
    gid: number(block, Fields.gid, "gid"),
    size: number(block, Fields.size, "size"),
    mtime: number(block, Fields.mtime, "mtime"),
    type,
  };
}

/** Bytes up to the first zero, which must be UTF-8. */
export function decodeName(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  const name = end < 0 ? bytes : bytes.subarray(0, end);
  if (isUtf8(name)) return name.toString("utf8");
  throw new TarError(
    "tar-unsupported",
    `a name is not UTF-8: ${JSON.stringify(name.toString("latin1"))}, read as Latin-1`,
  );
}

function string(block: Buffer, [offset, length]: Field): string {
  return decodeName(block.subarray(offset, offset + length));
}

const BLANK = /^[ \0]*|[ \0]*$/g;

/** A number in octal digits, or in base 256 where the first bit is set (GNU, star). */
function number(block: Buffer, [offset, length]: Field, what: string): number {
  const bytes = block.subarray(offset, offset + length);
  if ((bytes[0] ?? 0) & 0x80) return base256(bytes, what);
  const digits = bytes.toString("latin1").replace(BLANK, "");
  if (!/^[0-7]*$/.test(digits)) {
    throw new TarError("tar-invalid", `a header's ${what} is not a number: ${JSON.stringify(digits)}`);
  }
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

function base256(bytes: Buffer, what: string): number {
  const negative = ((bytes[0] ?? 0) & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  bytes.forEach((byte, i) => {
    const bits = i > 0 ? byte : negative ? byte | 0x80 : byte & 0x7f;
    value = (value << 8n) | BigInt(bits);
  });
  const result = Number(value);
  if (Number.isSafeInteger(result)) return result;
  throw new TarError("tar-invalid", `a header's ${what} is absurd: ${value}`);
}

/** Whether a block is all zeros. */
export function isBlank(block: Buffer): boolean {
  return block[0] === 0 && block.equals(NOTHING);
}

const NOTHING = Buffer.alloc(BLOCK);
