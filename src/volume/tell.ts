import { printable } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";

/** What unpacking changes or leaves out, in the words that follow a count: one finding a kind, however many entries. */
const KINDS = {
  "device-skipped": "devices and pipes were left out: only root could make them, and a volume needs none",
  "special-bits-dropped": "entries lost their setuid, setgid or sticky bit: volumes are mounted nosuid here",
  "xattrs-dropped": "entries have extended attributes, which are not kept",
  "name-absolute":
    "entries have absolute names, which were taken as relative to the volume, as containerd does",
  "owner-dropped": "entries belong to others than the caller; only root can give files away",
} as const;

export type UnpackFinding = keyof typeof KINDS;

/** Gathers findings, and gives each kind once. */
export class Told {
  readonly #kinds = new Map<UnpackFinding, { first: string; count: number }>();

  add(kind: UnpackFinding, path: string): void {
    const seen = this.#kinds.get(kind);
    if (seen === undefined) this.#kinds.set(kind, { first: path, count: 1 });
    else seen.count++;
  }

  findings(): Finding[] {
    return [...this.#kinds].map(([code, { first, count }]) => ({
      code,
      severity: code === "name-absolute" || code === "device-skipped" ? "warning" : "note",
      subject: printable(first),
      message: `${count} ${KINDS[code]} (first: ${printable(first)})`,
      fix: [],
    }));
  }
}
