import { type Finding, ImgvolError } from "../base/index.ts";

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

/** `strict-refused`: nothing was published for what was told. */
export class StrictRefused extends PackError {
  /** Notes as well: all that would have been told without `strict`. */
  readonly told: readonly Finding[];

  constructor(told: readonly Finding[]) {
    const [first, ...more] = told.filter((finding) => finding.severity !== "note");
    const why = more.length === 0 ? (first?.message ?? "") : `there are ${more.length + 1} warnings`;
    const one = more.length === 0 ? first?.fix[0] : undefined;
    super("strict-refused", `nothing was published: ${why}`, {
      hint: one ?? "mend what they are about, or pack without --strict",
    });
    this.told = told;
  }
}
