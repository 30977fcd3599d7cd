import { type Call, errno, type Progress, printable, silent } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";
import { AnswerLost, ReaderGone } from "./failure.ts";
import { painted } from "./paint.ts";
import { lineProgress, terminalProgress } from "./progress.ts";
import type { Interruption } from "./signals.ts";

/** The switches that every verb has. */
export interface Habits {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color?: "auto" | "always" | "never";
}

/** What a verb may do to the world outside: answer on stdout, speak on stderr, be cancelled. */
export interface Io {
  readonly call: Call;
  /** Whether the answer may have colours. */
  readonly color: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** The answer: `value` as one JSON document with `--json`, else `text` (a line break is added). */
  answer(value: unknown, text: () => string): void;
  /** Bytes of an answer, as they are (a file, a tar). */
  write(bytes: Uint8Array): Promise<void>;
  /** From now on signals are for a child process: they neither abort the call nor end this process. */
  handOver(): void;
  /** A sentence on stderr; silent with `--quiet`. */
  say(sentence: string): void;
  /** What went wrong, on stderr, even with `--quiet`. */
  complain(text: string): void;
  /** Findings on stderr, warnings and errors even with `--quiet`: nothing is dropped silently. */
  tell(findings: readonly Finding[]): void;
}

/** An `Io` over this process. */
export function processIo(habits: Habits, interruption: Interruption): Io {
  const quiet = habits.quiet ?? false;
  const colored = (out: NodeJS.WriteStream): boolean =>
    wantsColor(habits.color ?? "auto", out.isTTY === true);
  const complain = (text: string): void => {
    process.stderr.write(`${colored(process.stderr) ? painted(text) : text}\n`);
  };
  const progress: Progress = quiet
    ? silent
    : process.stderr.isTTY === true
      ? terminalProgress(process.stderr)
      : lineProgress((line) => process.stderr.write(`${line}\n`));
  return {
    call: { signal: interruption.signal, progress },
    color: colored(process.stdout),
    json: habits.json ?? false,
    quiet,
    verbose: habits.verbose ?? false,
    answer(value, text) {
      const line = habits.json === true ? JSON.stringify(value, null, 2) : text();
      if (line !== "") process.stdout.write(`${line}\n`);
    },
    write: writeOut,
    handOver: () => interruption[Symbol.dispose](),
    say(sentence) {
      if (!quiet) progress.say(sentence);
    },
    complain,
    tell(findings) {
      for (const f of findings) {
        if (quiet && f.severity === "note") continue;
        complain(`${f.severity}: ${printable(f.message)} [${f.code}]`);
        for (const fix of f.fix) complain(`  fix: ${printable(fix)}`);
      }
    },
  };
}

async function writeOut(bytes: Uint8Array): Promise<void> {
  await new Promise<void>((done, failed) => {
    process.stdout.write(bytes, (error) => {
      if (!error) done();
      else failed(errno(error) === "EPIPE" ? new ReaderGone() : new AnswerLost());
    });
  });
}

/** https://no-color.org: a set, non-empty NO_COLOR means no colour unless the flag asks for it. */
function wantsColor(asked: "auto" | "always" | "never", terminal: boolean): boolean {
  if (asked !== "auto") return asked === "always";
  return terminal && (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb";
}

/** Rows in columns, two spaces apart; cells are made safe for a terminal. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return all.map(line).join("\n");
}
