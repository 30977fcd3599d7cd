import { isUtf8 } from "node:buffer";
import { TarError } from "./errors.ts";

/**
 * Extended header records (POSIX.1-2017, pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, where LENGTH
 * counts the whole record in bytes. Keys are written in byte order.
 */
export function encodeRecords(records: ReadonlyMap<string, string>): Buffer {
  const keys = [...records.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.concat(keys.map((key) => encodeRecord(key, records.get(key) ?? "")));
}

function encodeRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  // The length counts its own digits, which may make it longer by one digit more.
  while (String(length).length + rest.length > length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/**
 * Reads records; a repeated key's last value stands, as everywhere.
 * @throws TarError `tar-invalid`; `tar-unsupported` where a key or value that matters is not UTF-8
 */
export function parseRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const end = at + recordLength(bytes, at);
    const from = bytes.indexOf(0x20, at) + 1;
    const equals = bytes.indexOf(0x3d, from);
    if (end > bytes.length || bytes[end - 1] !== 0x0a || equals <= from || equals >= end) {
      throw new TarError("tar-invalid", "an extended header has a broken record");
    }
    const key = text(bytes.subarray(from, equals));
    // Values of extended attributes are bytes of any kind; only their names are told.
    const value = isAttribute(key) ? "" : text(bytes.subarray(equals + 1, end - 1));
    if (key.includes("\0") || value.includes("\0")) {
      throw new TarError("tar-invalid", `the extended header record ${key} holds a zero byte`);
    }
    records.set(key, value);
    at = end;
  }
  return records;
}

const ATTRIBUTE_PREFIXES = ["SCHILY.xattr.", "LIBARCHIVE.xattr."];

function isAttribute(key: string): boolean {
  return ATTRIBUTE_PREFIXES.some((prefix) => key.startsWith(prefix));
}

/** The names of the extended attributes that the records carry. */
export function attributeNames(records: ReadonlyMap<string, string>): string[] {
  const names = [...records.keys()].flatMap((key) => {
    const prefix = ATTRIBUTE_PREFIXES.find((p) => key.startsWith(p));
    return prefix === undefined ? [] : [key.slice(prefix.length)];
  });
  return [...new Set(names)];
}

/** Decimal digits up to a space. Seven digits are more than any header within limits needs. */
function recordLength(bytes: Buffer, at: number): number {
  let length = 0;
  for (let i = at; i < at + 8; i++) {
    const byte = bytes[i];
    if (byte === 0x20 && i > at && length > i - at) return length;
    if (byte === undefined || byte < 0x30 || byte > 0x39) break;
    length = length * 10 + (byte - 0x30);
  }
  throw new TarError("tar-invalid", "an extended header has a record without a proper length");
}

function text(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw new TarError("tar-unsupported", "an extended header holds text that is not UTF-8");
}
