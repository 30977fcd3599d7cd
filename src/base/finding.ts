/** One thing that `check`, `pack` or `doctor` found. */
export interface Finding {
  /** Stable and kebab-case: one code, one kind of finding. */
  readonly code: string;
  readonly severity: "error" | "warning" | "note";
  /** What it is about: a path in the volume, a reference, a variable. */
  readonly subject: string;
  /** One sentence, already safe for a terminal. */
  readonly message: string;
  /** What to do, a sentence each. */
  readonly fix: readonly string[];
}
