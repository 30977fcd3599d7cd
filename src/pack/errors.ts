import { ImgvolError } from "../base/index.ts";

export type PackCode =
  /** A source's target that lies outside the volume. */
  | "target-invalid"
  /** Something was told that `strict` does not let pass. */
  | "strict-refused"
  | "annotation-invalid"
  | "split-invalid"
  /** An option that makes no sense with the sources. */
  | "source-invalid";

/** Errors of making volume images. */
export class PackError extends ImgvolError<PackCode> {}
