import { type Call, collect, request } from "../base/index.ts";
import { TelemetryError } from "./errors.ts";
import type { LogRecord, Metric, Service, Span, SpanEvent, Trace, TraceSummary } from "./records.ts";
import type { Storage } from "./storage.ts";

/** What can be asked of a dashboard, here or elsewhere. */
export type TelemetryQueries = Pick<Storage, "services" | "traces" | "trace" | "logs" | "metrics">;

export interface DashboardAddress {
  /** `http://host:port` of the page. */
  readonly origin: string;
  readonly token: string;
}

/** No answer of the API is larger: it has limits of its own. */
const LARGEST = 256 * 1024 * 1024;

/**
 * Asks a dashboard that is another process, or on another machine, over its JSON API.
 * The queries throw TelemetryError `dashboard-failed`; BaseError `connection-failed`.
 */
export function dashboardClient({ origin, token }: DashboardAddress, call: Call): TelemetryQueries {
  async function ask<T>(path: string, query: object = {}): Promise<T | undefined> {
    const url = new URL(`/api/${path}`, origin);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name === "traceId" ? "trace" : name, String(value));
    }
    const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
    const { status, body } = await request({ method: "GET", url, headers }, call);
    const text = Buffer.from(await collect(body, LARGEST, url.pathname)).toString();
    if (status === 404) return undefined;
    if (status === 200) return JSON.parse(text);
    throw new TelemetryError("dashboard-failed", `${origin} answered ${status} to GET ${url.pathname}`, {
      ...(status === 401 || status === 403 ? { hint: "check its token" } : {}),
    });
  }
  const list = async <T>(path: string, query?: object): Promise<T[]> => (await ask<T[]>(path, query)) ?? [];

  return {
    services: () => list<Service>("services"),
    traces: async (filter) => (await list<TraceSummary>("traces", filter)).map(withTimes("start", "end")),
    logs: async (filter) => (await list<LogRecord>("logs", filter)).map(withTimes("time")),
    metrics: async (filter) => (await list<Metric>("metrics", filter)).map(withTimes("last")),
    async trace(traceId) {
      const found = await ask<TraceRows>(`traces/${encodeURIComponent(traceId)}`);
      if (found === undefined) return undefined;
      const { rows, logs, ...summary } = found;
      return {
        ...withTimes<Omit<Trace, "records" | "logs">>("start", "end")(summary),
        records: rows.map(({ span }) => ({
          ...withTimes<Span>("start", "end")(span),
          events: span.events.map(withTimes<SpanEvent>("time")),
        })),
        logs: [...rows.flatMap((row) => row.logs), ...logs].map(withTimes("time")),
      };
    },
  };
}

/** As the API gives a trace: in the order of its tree. */
interface TraceRows extends Omit<Trace, "records"> {
  readonly rows: readonly { readonly span: Span; readonly logs: readonly LogRecord[] }[];
}

/** JSON has no number for nanoseconds since 1970: the API writes them as text. */
function withTimes<T extends object>(...fields: readonly (keyof T)[]): (record: T) => T {
  return (record) => ({
    ...record,
    ...Object.fromEntries(fields.map((field) => [field, BigInt(String(record[field]))])),
  });
}
