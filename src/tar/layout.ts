/** Tar's unit, in bytes: headers are one block, and contents are padded to whole blocks. */
export const BLOCK: number = 512;

/** Where a field lies in a header block: offset and length in bytes (POSIX.1-2017, pax, "ustar Interchange Format"). */
export type Field = readonly [offset: number, length: number];

type FieldName =
  | "name"
  | "mode"
  | "uid"
  | "gid"
  | "size"
  | "mtime"
  | "checksum"
  | "type"
  | "linkName"
  | "magic"
  | "userName"
  | "groupName"
  | "deviceMajor"
  | "deviceMinor"
  | "prefix";

export const Fields: Readonly<Record<FieldName, Field>> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  /** Magic and version together. */
  magic: [257, 8],
  userName: [265, 32],
  groupName: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
};

export const USTAR_MAGIC: string = "ustar\x0000";

/** The sum of a header's bytes with the checksum field read as spaces, and the same with signed bytes. */
export function checksums(block: Uint8Array): { unsigned: number; signed: number } {
  let unsigned = 0;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = block[i] ?? 0;
    unsigned += byte;
    high += byte >> 7;
  }
  const [from, length] = Fields.checksum;
  for (let i = from; i < from + length; i++) {
    const byte = block[i] ?? 0;
    unsigned += 32 - byte;
    high -= byte >> 7;
  }
  return { unsigned, signed: unsigned - 256 * high };
}
