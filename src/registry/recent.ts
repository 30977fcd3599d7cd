import type { Digest } from "../oci/index.ts";

/** Nobody needs an answer of yesterday. */
const KEPT_MS = 24 * 60 * 60_000;

/**
 * What clients were told is there, and when: whoever got such an answer may rely on it for a while, and leaves out sending the
 * content again. Garbage collection asks here. Noted within the gate's `shared`, together with the look at the content.
 * Lives as long as the server: after a restart, the age of the content alone counts.
 */
export class Recent {
  /** Oldest first. */
  readonly #told = new Map<Digest, number>();

  note(digest: Digest): void {
    const now = Date.now();
    this.#told.delete(digest);
    this.#told.set(digest, now);
    for (const [oldest, at] of this.#told) {
      if (now - at <= KEPT_MS) break;
      this.#told.delete(oldest);
    }
  }

  /** Whether a client was told since that time (Unix, milliseconds). */
  since(digest: Digest, time: number): boolean {
    return (this.#told.get(digest) ?? Number.NEGATIVE_INFINITY) > time;
  }
}
