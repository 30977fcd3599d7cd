import type { Command } from "commander";
import type { Io } from "./io.ts";

/** What a verb's file exports: its arguments, options and examples on `command`, and the action that wraps one library call. */
export interface Verb {
  define(command: Command, run: Run): void;
}

/**
 * Hands the verb's action its `Io` and takes its exit code (0 where it gives none).
 * Every action is `run((io, ...args) => …)`, so that habits, signals and errors are dealt with in one place.
 */
export type Run = <Args extends unknown[]>(
  action: (io: Io, ...args: Args) => Promise<number | undefined>,
) => (...args: Args) => Promise<void>;

/** For `addHelpText("after", …)`: what every verb's help ends with. Examples work as they stand. */
export function examples(first: string, second: string): string {
  return `\nExamples:\n  ${first}\n  ${second}`;
}
