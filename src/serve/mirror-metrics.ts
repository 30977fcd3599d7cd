import type { MirrorFigures } from "../mirror/index.ts";
import type { Metric } from "./prometheus.ts";

/** A mirror's figures as metrics. */
export function mirrorMetrics({ reads, fetched, stale, kept }: MirrorFigures): readonly Metric[] {
  return [
    {
      name: "imgvol_mirror_blob_reads_total",
      type: "counter",
      help: "Blobs that clients were given: from the cache, or as they came from the upstream.",
      samples: [...reads].map(([from, value]) => ({ labels: { from }, value })),
    },
    {
      name: "imgvol_mirror_fetched_bytes_total",
      type: "counter",
      help: "Bytes of blobs that came from upstreams.",
      samples: [{ value: fetched }],
    },
    {
      name: "imgvol_mirror_stale_answers_total",
      type: "counter",
      help: "Answers that the upstream could not confirm.",
      samples: [{ value: stale }],
    },
    {
      name: "imgvol_mirror_cache_bytes",
      type: "gauge",
      help: "What is kept of the upstreams.",
      samples: [{ value: kept }],
    },
  ];
}
