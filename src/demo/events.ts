/** Hears how the demo goes. */
export interface DemoEvents {
  /** A step, as the command line that a user would type for it. */
  command(line: string): void;
  /** What came of it, in a sentence. */
  note(sentence: string): void;
  /** A line that a program wrote which failed: the last ones, in order, before the error is thrown. */
  output(line: string): void;
}
