import type { DatabaseSync } from "node:sqlite";
import type { Service, Stats, VolumeSource } from "./records.ts";
import { select } from "./row.ts";
import { pragma } from "./schema.ts";

/** Every service that sent something, by name. */
export function services(db: DatabaseSync): Service[] {
  const found = new Map<string, Service & { readonly byKey: Map<string, VolumeSource> }>();
  const rows = select(
    db,
    `SELECT service, volume_reference, volume_digest, sum(spans) AS spans, sum(points) AS points, sum(logs) AS logs,
       max(last_seen) AS last_seen FROM resources GROUP BY service, volume_reference, volume_digest ORDER BY service,
       volume_reference, volume_digest`,
  );
  for (const row of rows) {
    const name = row.text("service");
    const before = found.get(name);
    const byKey = before?.byKey ?? new Map<string, VolumeSource>();
    const volume = row.volume();
    if (volume !== undefined) byKey.set(volumeKey(volume), volume);
    found.set(name, {
      name,
      spans: (before?.spans ?? 0) + row.number("spans"),
      points: (before?.points ?? 0) + row.number("points"),
      logs: (before?.logs ?? 0) + row.number("logs"),
      lastSeen: Math.max(before?.lastSeen ?? 0, row.number("last_seen")),
      volumes: [],
      byKey,
    });
  }
  return [...found.values()].map(({ byKey, ...service }) => ({ ...service, volumes: [...byKey.values()] }));
}

/** What the database holds now. */
export function stats(db: DatabaseSync, evicted: number, maxBytes: number | undefined): Stats {
  // Rows are only ever added at the end and deleted at the beginning: counting them takes no scan.
  const rows = (table: string): string => `(SELECT coalesce(max(id) - min(id) + 1, 0) FROM ${table})`;
  const [row] = select(
    db,
    `SELECT ${rows("spans")} AS spans, ${rows("points")} AS points, ${rows("logs")} AS logs,
       (SELECT count(*) FROM traces) AS traces`,
  );
  return {
    spans: row?.number("spans") ?? 0,
    points: row?.number("points") ?? 0,
    logs: row?.number("logs") ?? 0,
    traces: row?.number("traces") ?? 0,
    evicted,
    bytes: usedBytes(db),
    maxBytes,
  };
}

/** Bytes of the database's pages that hold something. */
export function usedBytes(db: DatabaseSync): number {
  return (pragma(db, "page_count") - pragma(db, "freelist_count")) * pragma(db, "page_size");
}

function volumeKey({ reference, digest }: VolumeSource): string {
  return `${reference}\0${digest ?? ""}`;
}
