/**
 * Compares two strings as their UTF-8 bytes would compare, without encoding them. UTF-16 code units give the
 * same order except that surrogates (characters beyond U+FFFF) must come after U+E000–U+FFFF.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** What {@link compareUtf8} orders to get tree order: a folder's key ends in `/`. */
export function orderKey(path: string, type: string): string {
  return type === "dir" ? `${path}/` : path;
}

/** `a/b/c` gives `a`, `a/b`. */
export function* parentsOf(path: string): Iterable<string> {
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) yield path.slice(0, at);
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
