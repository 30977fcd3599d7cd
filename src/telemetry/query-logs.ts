import type { DatabaseSync } from "node:sqlite";
import type { LogFilter, LogRecord } from "./records.ts";
import { Conditions, limitOf, type Row, select, traceIdBytes } from "./row.ts";

/** The log records that pass the filter, the newest first. */
export function logs(db: DatabaseSync, filter: LogFilter): LogRecord[] {
  const conditions = new Conditions()
    .add("l.trace_id = ?", filter.traceId === undefined ? undefined : traceIdBytes(filter.traceId))
    .add("l.time >= ?", filter.since)
    .add("l.time < ?", filter.until)
    .add("r.service = ?", filter.service)
    .add("l.severity >= ?", filter.severity);
  return select(
    db,
    `SELECT l.*, c.name AS scope_name, r.service, r.volume_reference, r.volume_digest
       FROM logs l JOIN resources r ON r.id = l.resource JOIN scopes c ON c.id = l.scope
       ${conditions.where()} ORDER BY l.time DESC, l.id DESC LIMIT ?`,
    ...conditions.values,
    limitOf(filter),
  ).map(logOf);
}

function logOf(row: Row): LogRecord {
  return {
    service: row.text("service"),
    volume: row.volume(),
    scope: row.text("scope_name"),
    time: row.nanos("time"),
    severity: row.number("severity"),
    severityText: row.text("severity_text"),
    body: row.json("body", null),
    traceId: row.optionalHex("trace_id"),
    spanId: row.optionalHex("span_id"),
    attributes: row.attributes(),
  };
}
