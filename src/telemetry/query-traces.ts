import type { DatabaseSync } from "node:sqlite";
import type { Attributes } from "./attributes.ts";
import { logs } from "./query-logs.ts";
import type { Span, SpanEvent, SpanKind, SpanStatus, Trace, TraceFilter, TraceSummary } from "./records.ts";
import { Conditions, LIST, limitOf, type Row, select, traceIdBytes } from "./row.ts";

const SUMMARY = `SELECT t.trace_id, t.start, t.end, t.spans, t.errors,
  coalesce(t.root_name, (SELECT name FROM spans s WHERE s.trace_id = t.trace_id ORDER BY start LIMIT 1)) AS name,
  r.service FROM traces t LEFT JOIN resources r ON r.id = coalesce(t.root_resource,
    (SELECT resource FROM spans s WHERE s.trace_id = t.trace_id ORDER BY start LIMIT 1))`;

/** The traces that pass the filter, the latest to start first. */
export function traces(db: DatabaseSync, filter: TraceFilter): TraceSummary[] {
  const of = (what: string): string =>
    `EXISTS (SELECT 1 FROM trace_resources x JOIN resources o ON o.id = x.resource
       WHERE x.trace_id = t.trace_id AND ${what})`;
  const conditions = new Conditions()
    .add("t.start >= ?", filter.since)
    .add("t.start < ?", filter.until)
    .add(of("o.service = ?"), filter.service)
    .add(of("? IN (o.volume_reference, o.volume_digest)"), filter.volume)
    .add("t.errors >= ?", filter.errors ? 1 : undefined);
  const sql = `${SUMMARY} ${conditions.where()} ORDER BY t.start DESC LIMIT ?`;
  return select(db, sql, ...conditions.values, limitOf(filter)).map((row) => summary(db, row));
}

/** One trace with its spans and logs, or undefined where none of its spans is here. */
export function trace(db: DatabaseSync, traceId: string): Trace | undefined {
  const id = traceIdBytes(traceId);
  const [row] = select(db, `${SUMMARY} WHERE t.trace_id = ?`, id);
  if (row === undefined) return undefined;
  const spans = select(
    db,
    `SELECT s.*, c.name AS scope_name, r.service, r.volume_reference, r.volume_digest, r.attributes AS resource_attributes
       FROM spans s JOIN resources r ON r.id = s.resource JOIN scopes c ON c.id = s.scope
       WHERE s.trace_id = ? ORDER BY s.start, s.id LIMIT ?`,
    id,
    LIST.most + 1,
  );
  const records = logs(db, { traceId, limit: LIST.most }).reverse();
  return {
    ...summary(db, row),
    records: spans.slice(0, LIST.most).map(spanOf),
    logs: records,
    truncated: spans.length > LIST.most || records.length === LIST.most,
  };
}

function summary(db: DatabaseSync, row: Row): TraceSummary {
  const traceId = row.hex("trace_id");
  const service = row.text("service");
  const sources = select(
    db,
    `SELECT DISTINCT r.service, r.volume_reference, r.volume_digest FROM trace_resources x
       JOIN resources r ON r.id = x.resource WHERE x.trace_id = ?
       ORDER BY r.service != ?, r.service, r.volume_reference, r.volume_digest`,
    traceIdBytes(traceId),
    service,
  );
  return {
    traceId,
    name: row.text("name"),
    service,
    start: row.nanos("start"),
    end: row.nanos("end"),
    spans: row.number("spans"),
    errors: row.number("errors"),
    sources: sources.map((source) => ({ service: source.text("service"), volume: source.volume() })),
  };
}

const KINDS: readonly SpanKind[] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUSES: readonly SpanStatus[] = ["unset", "ok", "error"];

function spanOf(row: Row): Span {
  const events = row.json<readonly { name: string; time: string; attributes: Attributes }[]>("events", []);
  return {
    traceId: row.hex("trace_id"),
    spanId: row.hex("span_id"),
    parentSpanId: row.optionalHex("parent_id"),
    service: row.text("service"),
    volume: row.volume(),
    scope: row.text("scope_name"),
    name: row.text("name"),
    kind: KINDS[row.number("kind")] ?? "unspecified",
    start: row.nanos("start"),
    end: row.nanos("end"),
    status: STATUSES[row.number("status")] ?? "unset",
    statusMessage: row.text("status_message"),
    attributes: row.attributes(),
    resource: row.attributes("resource_attributes"),
    events: events.map((event): SpanEvent => ({ ...event, time: BigInt(event.time) })),
    links: row.json("links", []),
  };
}
