import { type Finding, printableTo } from "../base/index.ts";

/** All that a registry may send of them in one answer, in bytes (distribution-spec, "Warnings"). */
const LONGEST_FIELD = 4096;
const LONGEST_TEXT = 400;
/** Of one registry: whatever it says on every request, users read a screen of it at most. */
const MOST = 8;

/** What a registry wants users to know: its `Warning` headers, each text told once. Nothing else is done about them. */
export class RegistryWarnings {
  readonly #registry: string;
  readonly #tell: (finding: Finding) => void;
  readonly #told = new Set<string>();

  constructor(registry: string, tell: (finding: Finding) => void) {
    this.#registry = registry;
    this.#tell = tell;
  }

  heard(headers: ReadonlyMap<string, string>): void {
    const field = headers.get("warning");
    if (field === undefined) return;
    for (const text of textsIn(field.slice(0, LONGEST_FIELD))) {
      if (this.#told.has(text) || this.#told.size >= MOST) continue;
      this.#told.add(text);
      const message = `${this.#registry} says: ${printableTo(text, LONGEST_TEXT)}`;
      this.#tell({
        code: "registry-warning",
        severity: "warning",
        subject: this.#registry,
        message,
        fix: [],
      });
    }
  }
}

/** The texts of `299 - "…"`: the one code and agent that a registry may use, and no date after it. */
function textsIn(field: string): string[] {
  const all = field.matchAll(/(?<![^\s,])299 - "((?:[^"\\]|\\.)*)"(?=\s*(?:,|$))/g);
  // Field values arrive as latin-1, and are written in UTF-8 by most.
  const read = (raw: string): string => Buffer.from(raw, "latin1").toString().replace(/\\(.)/g, "$1").trim();
  return [...all].map(([, raw = ""]) => read(raw)).filter((text) => text !== "");
}
