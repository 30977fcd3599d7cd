import { RegistryError } from "./errors.ts";

/** A part of a blob, in bytes; `end` is the first byte that is not in it. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * The part that a `Range` field asks for; undefined for the whole: no field, several ranges, or one that cannot be
 * read (RFC 9110, section 14.2, lets a server ignore those).
 *
 * @throws RegistryError `range-invalid` where nothing of the range is there
 */
export function partOf(field: string | undefined, size: number): Part | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(field?.trim() ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (match === null || (first === "" && last === "")) return undefined;
  const start = first === "" ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(Number(last) + 1, size);
  if (start < end) return { start, end };
  throw new RegistryError("range-invalid", `the range ${field} holds nothing of ${size} bytes`, {
    headers: { "content-range": `bytes */${size}` },
  });
}

/** The bytes of a `Content-Range: first-last` of an upload; undefined without the field. @throws RegistryError `blob-invalid` */
export function chunkRange(field: string | undefined): Part | undefined {
  if (field === undefined) return undefined;
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(field.trim());
  const [, first, last] = match ?? [];
  if (first !== undefined && last !== undefined && Number(last) + 1 >= Number(first)) {
    return { start: Number(first), end: Number(last) + 1 };
  }
  throw new RegistryError("blob-invalid", `not a Content-Range of an upload: ${JSON.stringify(field)}`, {
    hint: "write it as first-last",
  });
}
