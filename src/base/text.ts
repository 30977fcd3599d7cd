// Control characters, bidirectional overrides, line separators and lone surrogates can forge or hide terminal output.
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\p{Cs}\u2028\u2029\ufeff]/gu;

/** Text from an image, a registry, an event or a log, made safe for a terminal: unsafe characters as `\u{…}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c) => `\\u{${c.codePointAt(0)?.toString(16) ?? "?"}}`);
}

/** {@link printable}, and no longer than a reader wants: what was left out is counted. */
export function printableTo(text: string, most: number): string {
  const safe = printable(text.slice(0, most));
  return text.length <= most ? safe : `${safe}… (${text.length - most} more characters)`;
}

/** A word as one would type it into a POSIX shell. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * What a user typed where a registry, a reference or a URL belongs, without the user and password that may be before its `@`:
 * for messages. A digest's `@` stays.
 */
export function withoutUserinfo(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@(?!(?:sha\d+|md5|blake\w+)(?::[0-9a-z]*)?$)/is, "$1***@");
}

/** `1 entry`, `2 entries`. */
export function formatCount(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** `1536` as `1.5 KiB`: three figures, binary units. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`;
}
