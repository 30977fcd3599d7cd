const PLAIN = /^[\w@%+=:,./-]+$/;

/** A command as one would type it into a POSIX shell: `NAME=value … program words…`. */
export function commandLine(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  background = false,
): string {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`);
  return [...settings, ...words.map(quoted), ...(background ? ["&"] : [])].join(" ");
}

function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
