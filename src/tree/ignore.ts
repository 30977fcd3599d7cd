import { TreeError } from "./errors.ts";

/** Whether a path below a source's root stays out of the volume. What is in an ignored folder is never looked at. */
export type Ignore = (path: string, folder: boolean) => boolean;

/** The ignore file that is read from a source's root where none is named; it is itself left out of the volume. */
export const IGNORE_FILE = ".imgvolignore";

/**
 * Reads an ignore file. Its lines mean what they mean in `.gitignore` (gitignore(5)):
 *
 * - empty lines and lines that begin with `#` say nothing; spaces at the end of a line are dropped; `\` takes the
 *   next character as it is;
 * - `*` is any characters but `/`, `?` one, `[a-z]` and `[!a-z]` one of, or none of, a set;
 * - a pattern with a `/` at its beginning or in its middle counts from the source's root, any other matches at any depth;
 * - `/` at the end matches folders only; a `**` between slashes is any number of folders, at the end all that is inside;
 * - `!` takes a path back in; the last pattern that matches decides. What lies in an ignored folder cannot be taken
 *   back in: ignore `folder/*`, then take back `!folder/file`.
 *
 * @throws TreeError `ignore-invalid`, naming `origin` and the line
 */
export function parseIgnore(text: string, origin: string): Ignore {
  const rules = text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .flatMap((line, i) => parseLine(line, `${origin}, line ${i + 1}`) ?? []);
  return (path, folder) => {
    for (let i = rules.length - 1; i >= 0; i--) {
      const rule = rules[i];
      if (rule && (folder || !rule.folderOnly) && rule.pattern.test(path)) return !rule.back;
    }
    return false;
  };
}

interface Rule {
  readonly pattern: RegExp;
  readonly folderOnly: boolean;
  /** The rule takes back in what an earlier one ignored. */
  readonly back: boolean;
}

function parseLine(line: string, where: string): Rule | undefined {
  let glob = line.replace(/(?<!\\)[ \t]+$/, "");
  if (glob === "" || glob.startsWith("#")) return undefined;
  const back = glob.startsWith("!");
  if (back) glob = glob.slice(1);
  const folderOnly = glob.endsWith("/");
  if (folderOnly) glob = glob.replace(/\/+$/, "");
  const anchored = glob.includes("/");
  glob = glob.replace(/^\/+/, "");
  if (glob === "") throw new TreeError("ignore-invalid", `${where}: the pattern matches nothing: ${line}`);
  try {
    const pattern = new RegExp(`^${anchored ? "" : "(?:.*/)?"}${translate(glob)}$`, "su");
    return { pattern, folderOnly, back };
  } catch (cause) {
    throw new TreeError("ignore-invalid", `${where}: not a pattern: ${line}`, {
      hint: "put a backslash before [ to mean the character itself",
      cause,
    });
  }
}

// In this order: what stands between slashes, then a run of stars, a set, an escaped character, a character.
const PIECE = /^\*\*\/|\/\*\*(?=\/)|\/\*\*$|\*+|\?|\[(!|\^)?(\]?(?:\\.|[^\]\\])*)\]|\\(.)|./gsu;

function translate(glob: string): string {
  return glob.replace(
    PIECE,
    (piece, not: string | undefined, set: string | undefined, escaped: string | undefined, at: number) => {
      if (piece === "**/") return "(?:.*/)?";
      if (piece === "/**") return at + piece.length === glob.length ? "/.+" : "(?:/.*)?";
      if (piece.startsWith("*")) return "[^/]*";
      if (piece === "?") return "[^/]";
      if (set !== undefined) return `(?!/)[${not ? "^" : ""}${translateSet(set)}]`;
      if (piece === "[" || piece === "\\") throw new SyntaxError(`unfinished ${piece}`);
      return (escaped ?? piece).replace(/[$()*+.?[\\\]^{|}/]/g, "\\$&");
    },
  );
}

function translateSet(set: string): string {
  if (set.includes("[:")) throw new SyntaxError("character classes are not supported");
  return set.replace(/\\(.)|./gsu, (piece, escaped?: string) =>
    piece === "-" ? piece : (escaped ?? piece).replace(/[\\\][^-]/g, "\\$&"),
  );
}
