import { ImgvolError } from "../base/index.ts";

export type TarCode =
  /** The archive breaks the format: a wrong checksum, a bad number, a broken extended header. */
  | "tar-invalid"
  /** The archive ends in the middle of an entry. */
  | "tar-truncated"
  /** Well-formed, but not readable here: sparse files, volumes of several parts, names that are not UTF-8. */
  | "tar-unsupported"
  /** A name or an extended header is larger than the reader's limits. */
  | "tar-limit"
  /** An entry to be written that tar cannot express. */
  | "entry-invalid";

/** Errors of reading and writing tar archives. */
export class TarError extends ImgvolError<TarCode> {}
