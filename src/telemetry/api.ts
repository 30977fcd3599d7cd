import { type Context, Hono } from "hono";
import { ImgvolError } from "../base/index.ts";
import { TelemetryError } from "./errors.ts";
import { storedEvents } from "./live.ts";
import type { TimeWindow, Trace } from "./records.ts";
import { spanTree, walkTree } from "./span-tree.ts";
import type { Storage } from "./storage.ts";

/** What the page tells a newcomer to set. */
export interface Endpoints {
  readonly grpc: string;
  readonly http: string;
}

/**
 * The dashboard's JSON API. Times are nanoseconds since 1970 as decimal text, as in OTLP/JSON; `since` and `until`
 * are given the same way.
 */
export function dashboardApi(storage: Storage, endpoints: Endpoints, ended: AbortSignal): Hono {
  const api = new Hono();
  api.get("/api/info", (c) => json(c, { endpoints }));
  api.get("/api/stats", async (c) => json(c, await storage.stats()));
  api.get("/api/services", async (c) => json(c, await storage.services()));
  api.get("/api/traces", async (c) => {
    const { service, volume, errors } = c.req.query();
    return json(c, await storage.traces({ ...windowOf(c), service, volume, errors: errors === "true" }));
  });
  api.get("/api/traces/:id", async (c) => {
    const trace = await storage.trace(c.req.param("id"));
    return trace === undefined ? missing(c) : json(c, rowsOf(trace));
  });
  api.get("/api/logs", async (c) => {
    const { service, trace: traceId, severity } = c.req.query();
    return json(
      c,
      await storage.logs({ ...windowOf(c), service, traceId, severity: numberOf("severity", severity) }),
    );
  });
  api.get("/api/metrics", async (c) => json(c, await storage.metrics({ service: c.req.query("service") })));
  api.get("/api/points", async (c) => {
    const { name = "", service } = c.req.query();
    return json(c, await storage.points({ ...windowOf(c), name, service }));
  });
  api.get("/api/events", (c) => {
    const signal = AbortSignal.any([ended, c.req.raw.signal]);
    return new Response(ReadableStream.from(storedEvents(storage, signal)), {
      headers: { "content-type": "text/event-stream", ...PRIVATE },
    });
  });
  api.notFound(missing);
  api.onError((error, c) => {
    if (error instanceof TelemetryError && error.code === "query-invalid") return failed(c, 400, error);
    throw error;
  });
  return api;
}

const PRIVATE = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

function json(c: Context, value: unknown, status: 200 | 400 | 404 = 200): Response {
  const text = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "bigint" ? part.toString() : part,
  );
  return c.body(text, status, { "content-type": "application/json", ...PRIVATE });
}

function failed(c: Context, status: 400 | 404, error: ImgvolError): Response {
  const { code, message, hint } = error;
  return json(c, { error: { code, message, hint } }, status);
}

function missing(c: Context): Response {
  return failed(c, 404, new ImgvolError("not-found", `there is nothing at ${c.req.path}`));
}

/** A trace in the order of its tree: flat, since a chain of thousands of spans would be nested too deeply for JSON. */
function rowsOf({ records, logs, ...summary }: Trace): object {
  const rows = [...walkTree(spanTree(records, logs))].map(({ node, depth }) => ({
    depth,
    orphan: node.orphan,
    span: node.span,
    logs: node.logs,
  }));
  const ids = new Set(records.map(({ spanId }) => spanId));
  return { ...summary, rows, logs: logs.filter(({ spanId }) => !ids.has(spanId ?? "")) };
}

function windowOf(c: Context): TimeWindow {
  const { since, until, limit } = c.req.query();
  return { since: nanosOf("since", since), until: nanosOf("until", until), limit: numberOf("limit", limit) };
}

function nanosOf(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,19}$/.test(text)) throw wrong(name, text);
  return BigInt(text);
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw wrong(name, text);
  return Number(text);
}

function wrong(name: string, text: string): TelemetryError {
  return new TelemetryError("query-invalid", `${name} is not a whole number: ${text}`, { wrongUse: true });
}
