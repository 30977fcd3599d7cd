/** What a mirror has done since its start: how much it spares its upstreams, and how well they are. */
export interface MirrorFigures {
  /** How many blobs clients were given from the cache, and how many as they came from the upstream; each from the first on. */
  readonly reads: ReadonlyMap<"cache" | "upstream", number>;
  /** Bytes of blobs that came from upstreams. */
  readonly fetched: number;
  /** How many answers the upstream could not confirm. */
  readonly stale: number;
  /** Bytes that are kept of the upstreams now. */
  readonly kept: number;
}

/** Counts what a mirror does. */
export class Tally {
  readonly #reads = new Map<"cache" | "upstream", number>();
  #fetched = 0;
  #stale = 0;

  /** A client was given a blob. */
  read(from: "cache" | "upstream"): void {
    this.#reads.set(from, (this.#reads.get(from) ?? 0) + 1);
  }

  /** Bytes of blobs came. */
  fetched(bytes: number): void {
    this.#fetched += bytes;
  }

  /** A client was given what the upstream could not confirm. */
  stale(): void {
    this.#stale++;
  }

  /** @param kept in bytes */
  figures(kept: number): MirrorFigures {
    return { reads: new Map(this.#reads), fetched: this.#fetched, stale: this.#stale, kept };
  }
}
