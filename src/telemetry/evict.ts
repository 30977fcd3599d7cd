import type { DatabaseSync } from "node:sqlite";
import { usedBytes } from "./query-services.ts";
import { select } from "./row.ts";

/** The share of the records that one step deletes, and how far below the limit the steps go. */
const STEP = 0.05;
const ROOM = 0.95;

/**
 * Deletes the records that arrived first until the database is smaller than `maxBytes`, with some room.
 * Freed pages are used again, so the file itself stops growing.
 *
 * @returns how many records went.
 */
export function evict(db: DatabaseSync, maxBytes: number): number {
  let deleted = 0;
  while (usedBytes(db) > maxBytes * ROOM) {
    db.exec("BEGIN");
    const before = deleted;
    for (const table of ["spans", "points", "logs"] as const) deleted += shorten(db, table);
    // Traces of which no span is left.
    const [oldest] = select(db, "SELECT coalesce(min(id), 9223372036854775807) AS id FROM spans");
    const first = oldest?.nanos("id") ?? 0n;
    db.prepare("DELETE FROM traces WHERE last_span < ?").run(first);
    db.prepare("DELETE FROM trace_resources WHERE last_span < ?").run(first);
    db.exec("COMMIT");
    if (deleted === before) break;
  }
  return deleted;
}

function shorten(db: DatabaseSync, table: "spans" | "points" | "logs"): number {
  const [ends] = select(db, `SELECT min(id) AS first, max(id) AS last FROM ${table}`);
  const first = ends?.optionalNumber("first");
  if (ends === undefined || first === undefined) return 0;
  const upTo = first + Math.ceil((ends.number("last") - first + 1) * STEP);
  return Number(db.prepare(`DELETE FROM ${table} WHERE id < ?`).run(upTo).changes);
}
