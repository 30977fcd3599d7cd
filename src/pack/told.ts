import type { Finding } from "../oci/index.ts";

/** So many findings of one code are kept; the others are counted. */
const MOST = 100;

/** Gathers findings: each once, whoever tells it again, and not without bound. */
export class Told {
  readonly #byCode = new Map<string, Map<string, Finding>>();
  readonly #more = new Map<string, number>();

  readonly tell = (finding: Finding): void => {
    const found = this.#byCode.get(finding.code) ?? new Map<string, Finding>();
    this.#byCode.set(finding.code, found);
    if (found.has(finding.subject)) return;
    if (found.size < MOST) found.set(finding.subject, finding);
    else this.#more.set(finding.code, (this.#more.get(finding.code) ?? 0) + 1);
  };

  list(): readonly Finding[] {
    return [...this.#byCode].flatMap(([code, found]) => {
      const findings = [...found.values()];
      const last = findings.at(-1);
      const more = this.#more.get(code);
      if (last === undefined || more === undefined) return findings;
      const message = `more of the same (${code}): only the first ${MOST} are listed`;
      return [...findings, { ...last, subject: "", message }];
    });
  }
}
