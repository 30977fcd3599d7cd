import { ImgvolError } from "../base/index.ts";

export type CodecCode =
  /** The compressed bytes break their format, or a checksum in them is wrong. */
  | "codec-corrupt"
  /** The compressed bytes end before their end. */
  | "codec-truncated"
  /** A level that the compression does not have. */
  | "codec-level"
  /** This Node.js lacks what the codec needs. */
  | "codec-unavailable";

/** Errors of compressing and decompressing. */
export class CodecError extends ImgvolError<CodecCode> {}
