import type { Digest } from "../oci/index.ts";

interface Given<P> {
  /** Who gave the first byte; undefined where nobody else would be left. */
  first: P | undefined;
  readonly wrong: Set<P>;
}

/**
 * Who gave which content, until it is known to be right or wrong. Where several gave parts of what is wrong, the first is
 * taken for it: if that was another, he is the first the next time.
 */
export class Givers<P> {
  readonly #given = new Map<Digest, Given<P>>();

  /** @param at the place in the content; @param by undefined where nobody else is left to be asked */
  gave(digest: Digest, at: number, by: P | undefined): void {
    const given = this.#given.get(digest);
    if (given === undefined) this.#given.set(digest, { first: by, wrong: new Set() });
    else if (at === 0) given.first = by;
  }

  of(digest: Digest): P | undefined {
    return this.#given.get(digest)?.first;
  }

  /** Who gave it, and is not to be asked for it again. */
  wrong(digest: Digest): P | undefined {
    const given = this.#given.get(digest);
    const first = given?.first;
    if (given === undefined || first === undefined) return undefined;
    given.wrong.add(first);
    given.first = undefined;
    return first;
  }

  /** Those who are not known to be wrong; the last one always. */
  right(digest: Digest, all: readonly [P, ...P[]]): readonly [P, ...P[]] {
    const wrong = this.#given.get(digest)?.wrong;
    const [first, ...more] = all.filter((one, n) => n === all.length - 1 || !wrong?.has(one));
    return first === undefined ? all : [first, ...more];
  }
}
