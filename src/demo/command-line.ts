import { shellWord } from "../base/index.ts";

/** A command as one would type it into a POSIX shell: `NAME=value … program words…`. */
export function commandLine(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  background = false,
): string {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${shellWord(value)}`);
  return [...settings, ...words.map(shellWord), ...(background ? ["&"] : [])].join(" ");
}
