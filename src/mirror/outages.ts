/** So many of an upstream's are remembered; clients ask for what they like. */
const MOST = 1000;

/** What upstreams that are out of reach could not give: each thing is told once, until its upstream gives something again. */
export class Outages {
  readonly #say: (sentence: string) => void;
  /** By upstream. */
  readonly #told = new Map<string, Set<string>>();

  constructor(say: (sentence: string) => void) {
    this.#say = say;
  }

  /** @param what begins with its upstream, as all names of a mirror do */
  tell(what: string, why: string): void {
    const upstream = upstreamOf(what);
    const told = this.#told.get(upstream) ?? new Set();
    this.#told.set(upstream, told);
    if (told.has(what)) return;
    if (told.size < MOST) told.add(what);
    this.#say(`${what} cannot be given: ${why}`);
  }

  /** The upstream of `name` has answered. */
  over(name: string): void {
    this.#told.delete(upstreamOf(name));
  }
}

function upstreamOf(name: string): string {
  return name.slice(0, name.indexOf("/"));
}
