import type { TelemetryQueries, Trace } from "../telemetry/index.ts";
import type { Service } from "./app.ts";
import { NAMES } from "./requests.ts";

/** What one service has sent. */
export interface ServiceTelemetry {
  readonly name: string;
  readonly spans: number;
  /** Points of metrics. */
  readonly points: number;
  /** Metrics by name, sorted. */
  readonly metrics: readonly string[];
  readonly logs: number;
  /** Logs that say in which trace they were written. */
  readonly logsInTraces: number;
  /** Traces of our requests, by the name that the agent gives to them. */
  readonly requests: number;
  /** Those of them in which something was logged. */
  readonly requestsWithLogs: number;
}

const LIMIT = 1000;

/** Asks the dashboard's storage what has come from a service. */
export async function telemetryOf(
  { name, span }: Service,
  storage: TelemetryQueries,
): Promise<ServiceTelemetry> {
  const [services, traces, metrics, logs] = await Promise.all([
    storage.services(),
    storage.traces({ service: name, limit: LIMIT }),
    storage.metrics({ service: name }),
    storage.logs({ service: name, limit: LIMIT }),
  ]);
  const inTraces = logs.filter((log) => log.traceId !== undefined);
  const logged = new Set(inTraces.map((log) => log.traceId));
  const requests = traces.filter((trace) => trace.name === span);
  const counted = services.find((service) => service.name === name);
  return {
    name,
    spans: counted?.spans ?? 0,
    points: counted?.points ?? 0,
    metrics: [...new Set(metrics.map((metric) => metric.name))].sort(),
    logs: counted?.logs ?? 0,
    logsInTraces: inTraces.length,
    requests: requests.length,
    requestsWithLogs: requests.filter(({ traceId }) => logged.has(traceId)).length,
  };
}

/** What has not come yet, in words; nothing where all has. */
export function missing(
  { name, span }: Pick<Service, "name" | "span">,
  signals: readonly ("traces" | "metrics" | "logs")[],
  telemetry: ServiceTelemetry,
): readonly string[] {
  const wanted = NAMES.length;
  return [
    ...(signals.includes("traces") && telemetry.requests < wanted
      ? [`${wanted - telemetry.requests} of ${wanted} spans ${span} of ${name}`]
      : []),
    ...(signals.includes("metrics") && telemetry.metrics.length === 0 ? [`metrics of ${name}`] : []),
    ...(signals.includes("logs") && telemetry.requestsWithLogs < wanted
      ? [`${wanted - telemetry.requestsWithLogs} of ${wanted} requests' logs with trace ids of ${name}`]
      : []),
  ];
}

/** The newest trace of a request to a service. */
export async function latestTrace(
  { name, span }: Service,
  storage: TelemetryQueries,
): Promise<Trace | undefined> {
  const traces = await storage.traces({ service: name, limit: LIMIT });
  const newest = traces.find((trace) => trace.name === span);
  return newest === undefined ? undefined : await storage.trace(newest.traceId);
}
