import { errno, ImgvolError, isAbort, messageOf, printable, printableTo } from "../base/index.ts";

/** Of a message, in characters: what an image or a server says may be of any length. */
const LONGEST = 600;

/** What the process says and returns when a verb throws. */
export interface Failure {
  readonly text: string;
  readonly exit: number;
}

/** The answer's reader went away (`imgvol export … - | head`): the verb ends, cleans up, and all is well. */
export class ReaderGone extends Error {}

/** The answer could not be written: the verb ends and cleans up; whoever watches stdout says why, once. */
export class AnswerLost extends Error {}

/** What is said where stdout takes no more, though its reader is still there. */
export function answerLost(error: unknown): string {
  const full = ["ENOSPC", "EDQUOT"].includes(errno(error) ?? "");
  const why = full ? "no room left where stdout goes" : printableTo(messageOf(error), LONGEST);
  const hint = full ? "free some space, or write it elsewhere" : "check where stdout goes";
  return `error: cannot write the answer: ${why}\nhint: ${hint}`;
}

/**
 * `error:` what happened, `hint:` the next thing to do; the stack only where `verbose` asks for it.
 * Exit 2 for wrong use, what `interrupted` says after a signal (130 after Ctrl-C), 3 for everything else.
 */
export function failureOf(error: unknown, verbose: boolean, interrupted: number | undefined): Failure {
  if (error instanceof ReaderGone) return { text: "", exit: 0 };
  if (error instanceof AnswerLost) return { text: "", exit: 3 };
  if (interrupted !== undefined && isAbort(error)) return { text: "stopped", exit: interrupted };
  const lines = [`error: ${messageWithCauses(error)}`];
  if (error instanceof ImgvolError && error.hint !== undefined)
    lines.push(`hint: ${printableTo(error.hint, LONGEST)}`);
  if (verbose && error instanceof Error && error.stack !== undefined)
    lines.push(...error.stack.split("\n").map(printable));
  else if (!(error instanceof ImgvolError))
    lines.push("hint: run it again with --verbose for where this came from");
  return { text: lines.join("\n"), exit: error instanceof ImgvolError && error.wrongUse ? 2 : 3 };
}

/** The message and, where a cause says something that the message does not, the cause. */
function messageWithCauses(error: unknown): string {
  const parts: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && depth < 4; depth++) {
    let message = messageOf(e).trim();
    const code = errno(e);
    // `cannot read x: EACCES` needs no second EACCES from its cause.
    if (code !== undefined && parts.at(-1)?.endsWith(`: ${code}`)) message = message.replace(`${code}: `, "");
    // OpenSSL's line, of which the error above it has the reason.
    if (/^[0-9A-F]{8,}:error:/.test(message)) message = "";
    if (message !== "" && !parts.some((p) => p.includes(message))) parts.push(message);
    e = e instanceof Error ? e.cause : undefined;
  }
  return printableTo(parts.join(": "), LONGEST);
}
