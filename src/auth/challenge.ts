/** One way of authentication that a server offers (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

// One auth-param or the start of a challenge, from a sticky position. No piece can match in two ways: linear time.
const SCHEME = /[\s,]*([\w!#$%&'*+.^`|~-]+)(?=\s|,|$)/y;
const PARAMETER = /[\s,]*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y;
const TOKEN68 = /\s+[\w.~+/-]+=*(?=\s*(?:,|$))/y;
const HEADER_LIMIT = 16 * 1024;

/** Reads a `WWW-Authenticate` field, of one or several challenges. What is malformed ends the reading, without an error. */
export function parseChallenges(field: string): Challenge[] {
  const text = field.slice(0, HEADER_LIMIT);
  const found: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match ?? undefined;
  };
  for (;;) {
    const parameter = found.length === 0 ? undefined : take(PARAMETER);
    if (parameter !== undefined) {
      const [, name = "", quoted, bare] = parameter;
      const value = quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
      const { parameters } = found[found.length - 1] ?? { parameters: new Map() };
      // The first one counts: a second could be smuggled in by whatever the server repeats.
      if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
      continue;
    }
    const scheme = take(SCHEME)?.[1];
    if (scheme === undefined) return found;
    found.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    take(TOKEN68);
  }
}
