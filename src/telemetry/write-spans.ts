import type { DatabaseSync, StatementSync } from "node:sqlite";
import { attributesOf } from "./attributes.ts";
import type { ExportRequest } from "./decode.ts";
import type { Span } from "./gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { storedNanos } from "./nanos.ts";
import type { Resources } from "./resources.ts";
import type { Outcome } from "./signals.ts";

/** What one request adds to a trace. */
interface Growth {
  readonly traceId: Uint8Array;
  start: bigint;
  end: bigint;
  spans: number;
  errors: number;
  rootName: string | null;
  rootResource: number | null;
  lastSpan: number | bigint;
  readonly resources: Set<number>;
}

const STATUS_ERROR = 2;

/** Writes the spans of export requests, and the summary of each trace that they belong to. */
export class SpanWriter {
  readonly #resources: Resources;
  readonly #span: StatementSync;
  readonly #trace: StatementSync;
  readonly #traceResource: StatementSync;

  constructor(db: DatabaseSync, resources: Resources) {
    this.#resources = resources;
    // A sender repeats a request whose answer was lost: a span that is there already is not stored twice.
    this.#span = db.prepare(
      `INSERT OR IGNORE INTO spans (trace_id, span_id, parent_id, resource, scope, name, kind, start, end, status,
         status_message, attributes, events, links) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#trace = db.prepare(
      `INSERT INTO traces (trace_id, start, end, spans, errors, root_name, root_resource, last_span)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (trace_id) DO UPDATE SET start = min(start, excluded.start), end = max(end, excluded.end),
         spans = spans + excluded.spans, errors = errors + excluded.errors,
         root_name = coalesce(root_name, excluded.root_name),
         root_resource = coalesce(root_resource, excluded.root_resource), last_span = excluded.last_span`,
    );
    this.#traceResource = db.prepare(
      `INSERT INTO trace_resources (trace_id, resource, last_span) VALUES (?, ?, ?)
       ON CONFLICT (trace_id, resource) DO UPDATE SET last_span = excluded.last_span`,
    );
  }

  write(request: ExportRequest<"traces">, now: number): Outcome {
    const grown = new Map<string, Growth>();
    let accepted = 0;
    let rejected = 0;
    for (const { resource, scopeSpans } of request.resourceSpans) {
      const from = this.#resources.resource(resource);
      let stored = 0;
      for (const { scope, spans } of scopeSpans) {
        const within = this.#resources.scope(scope);
        for (const span of spans) {
          if (!isId(span.traceId, 16) || !isId(span.spanId, 8)) {
            rejected++;
            continue;
          }
          accepted++;
          const row = this.#insert(span, from, within);
          if (row === undefined) continue;
          stored++;
          grow(grown, span, from, row);
        }
      }
      this.#resources.count("spans", from, stored, now);
    }
    for (const growth of grown.values()) this.#summarise(growth);
    return {
      accepted,
      rejected,
      message: rejected === 0 ? "" : "spans need a trace id of 16 bytes and a span id of 8",
    };
  }

  #insert(span: Span, resource: number, scope: number): number | bigint | undefined {
    const { changes, lastInsertRowid } = this.#span.run(
      span.traceId,
      span.spanId,
      isId(span.parentSpanId, 8) ? span.parentSpanId : null,
      resource,
      scope,
      span.name,
      span.kind,
      storedNanos(span.startTimeUnixNano),
      storedNanos(span.endTimeUnixNano),
      span.status?.code ?? 0,
      span.status?.message ?? "",
      JSON.stringify(attributesOf(span.attributes)),
      span.events.length === 0 ? null : eventsJson(span),
      span.links.length === 0 ? null : linksJson(span),
    );
    return changes === 0 ? undefined : lastInsertRowid;
  }

  #summarise(t: Growth): void {
    this.#trace.run(t.traceId, t.start, t.end, t.spans, t.errors, t.rootName, t.rootResource, t.lastSpan);
    for (const resource of t.resources) this.#traceResource.run(t.traceId, resource, t.lastSpan);
  }
}

function grow(grown: Map<string, Growth>, span: Span, resource: number, row: number | bigint): void {
  const start = storedNanos(span.startTimeUnixNano);
  const end = storedNanos(span.endTimeUnixNano);
  const key = hex(span.traceId);
  let growth = grown.get(key);
  if (growth === undefined) {
    growth = {
      traceId: span.traceId,
      start,
      end,
      spans: 0,
      errors: 0,
      rootName: null,
      rootResource: null,
      lastSpan: row,
      resources: new Set(),
    };
    grown.set(key, growth);
  }
  if (start < growth.start) growth.start = start;
  if (end > growth.end) growth.end = end;
  growth.spans++;
  if (span.status?.code === STATUS_ERROR) growth.errors++;
  growth.lastSpan = row;
  growth.resources.add(resource);
  if (!isId(span.parentSpanId, 8)) {
    growth.rootName = span.name;
    growth.rootResource = resource;
  }
}

function eventsJson(span: Span): string {
  return JSON.stringify(
    span.events.map(({ name, timeUnixNano, attributes }) => ({
      name,
      time: timeUnixNano.toString(),
      attributes: attributesOf(attributes),
    })),
  );
}

function linksJson(span: Span): string {
  return JSON.stringify(
    span.links.map(({ traceId, spanId, attributes }) => ({
      traceId: hex(traceId),
      spanId: hex(spanId),
      attributes: attributesOf(attributes),
    })),
  );
}

/** An id of all zeros is invalid (W3C Trace Context). */
export function isId(id: Uint8Array, length: number): boolean {
  return id.length === length && id.some((byte) => byte !== 0);
}

function hex(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("hex");
}
