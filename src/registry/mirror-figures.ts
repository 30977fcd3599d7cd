import { Counter, type Metric } from "./prometheus.ts";

/** What a mirror has done since its start: how much it spares its upstreams, and how well they are. */
export class MirrorFigures {
  readonly #reads = new Counter();
  #fetched = 0;
  #stale = 0;

  /** A client was given a blob. */
  read(from: "cache" | "upstream"): void {
    this.#reads.add({ from });
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
  metrics(kept: number): readonly Metric[] {
    return [
      {
        name: "imgvol_mirror_blob_reads_total",
        type: "counter",
        help: "Blobs that clients were given: from the cache, or as they came from the upstream.",
        samples: this.#reads.samples(),
      },
      {
        name: "imgvol_mirror_fetched_bytes_total",
        type: "counter",
        help: "Bytes of blobs that came from upstreams.",
        samples: [{ value: this.#fetched }],
      },
      {
        name: "imgvol_mirror_stale_answers_total",
        type: "counter",
        help: "Answers that the upstream could not confirm.",
        samples: [{ value: this.#stale }],
      },
      {
        name: "imgvol_mirror_cache_bytes",
        type: "gauge",
        help: "What is kept of the upstreams.",
        samples: [{ value: kept }],
      },
    ];
  }
}
