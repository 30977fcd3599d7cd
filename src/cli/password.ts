import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { type Call, collect, ImgvolError } from "../base/index.ts";
import { stdin } from "./stdin.ts";

/** A password that comes by a pipe, without the line break that most commands add. */
export async function pipedPassword(call: Call): Promise<string> {
  const bytes = await collect(stdin(call), 64 * 1024, "the password");
  return Buffer.from(bytes)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

/** A new password, typed twice on a terminal that does not show it. @throws ImgvolError `password-missing` */
export async function typedPassword({ signal }: Call): Promise<string> {
  if (process.stdin.isTTY !== true) {
    throw passwordMissing("no password: stdin is no terminal", "give it on stdin, with --password-stdin");
  }
  // Readline writes each key's echo there.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  // The terminal hands Ctrl-C over as a key while readline reads.
  lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  const ended = new AbortController();
  lines.on("close", () => {
    process.stderr.write("\n");
    ended.abort();
  });
  const ask = async (question: string): Promise<string> => {
    process.stderr.write(question);
    return await lines.question("", { signal: AbortSignal.any([signal, ended.signal]) });
  };
  try {
    const first = await ask("Password: ");
    process.stderr.write("\n");
    if ((await ask("The same again: ")) === first) return first;
    throw passwordMissing("the two passwords are not the same", "type it again");
  } catch (error) {
    // Ctrl-D.
    if (ended.signal.aborted && !signal.aborted) throw passwordMissing("no password was typed", "type one");
    throw error;
  } finally {
    lines.close();
  }
}

export function passwordMissing(message: string, hint: string): ImgvolError {
  return new ImgvolError("password-missing", message, { hint, wrongUse: true });
}
