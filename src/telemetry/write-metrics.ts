import type { DatabaseSync, StatementSync } from "node:sqlite";
import { attributesOf } from "./attributes.ts";
import type { ExportRequest } from "./decode.ts";
import type {
  ExponentialHistogramDataPoint,
  HistogramDataPoint,
  Metric,
  NumberDataPoint,
  SummaryDataPoint,
} from "./gen/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import { storedNanos } from "./nanos.ts";
import type { Resources } from "./resources.ts";
import type { Outcome } from "./signals.ts";

type Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint;

/** Writes the metric points of export requests. */
export class MetricWriter {
  readonly #resources: Resources;
  readonly #insertMetric: StatementSync;
  readonly #findMetric: StatementSync;
  readonly #point: StatementSync;

  constructor(db: DatabaseSync, resources: Resources) {
    this.#resources = resources;
    this.#insertMetric = db.prepare(
      `INSERT OR IGNORE INTO metrics (resource, scope, name, unit, description, type, temporality, monotonic)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#findMetric = db.prepare(
      "SELECT id FROM metrics WHERE resource = ? AND scope = ? AND name = ? AND type = ? AND unit = ?",
    );
    this.#point = db.prepare(
      "INSERT INTO points (metric, start, time, value, attributes, detail) VALUES (?, ?, ?, ?, ?, ?)",
    );
  }

  write(request: ExportRequest<"metrics">, now: number): Outcome {
    let accepted = 0;
    let rejected = 0;
    for (const { resource, scopeMetrics } of request.resourceMetrics) {
      const from = this.#resources.resource(resource);
      let stored = 0;
      for (const { scope, metrics } of scopeMetrics) {
        const within = this.#resources.scope(scope);
        for (const metric of metrics) {
          const points: readonly Point[] = metric.data.value?.dataPoints ?? [];
          if (metric.name === "") {
            rejected += points.length;
            continue;
          }
          if (points.length === 0) continue;
          const id = this.#metric(metric, from, within);
          for (const point of points) this.#insert(id, point);
          stored += points.length;
        }
      }
      accepted += stored;
      this.#resources.count("points", from, stored, now);
    }
    return { accepted, rejected, message: rejected === 0 ? "" : "metrics need a name" };
  }

  #metric(metric: Metric, resource: number, scope: number): number {
    const type = metric.data.case ?? "unknown";
    const data = metric.data.value;
    const temporality =
      data !== undefined && "aggregationTemporality" in data ? data.aggregationTemporality : 0;
    const monotonic = metric.data.case === "sum" && metric.data.value.isMonotonic;
    const row = [resource, scope, metric.name, metric.unit, metric.description, type, temporality] as const;
    this.#insertMetric.run(...row, monotonic ? 1 : 0);
    const id = this.#findMetric.get(resource, scope, metric.name, type, metric.unit)?.["id"];
    return typeof id === "number" ? id : 0;
  }

  #insert(metric: number, point: Point): void {
    this.#point.run(
      metric,
      storedNanos(point.startTimeUnixNano),
      storedNanos(point.timeUnixNano),
      numberOf(point),
      JSON.stringify(attributesOf(point.attributes)),
      detailOf(point),
    );
  }
}

/** A gauge's or a sum's number; of a distribution its sum, so that every point has a number to draw. */
function numberOf(point: Point): number | null {
  const value = "value" in point ? point.value.value : point.sum;
  const number = Number(value ?? Number.NaN);
  return Number.isNaN(number) ? null : number;
}

/** All else that a distribution's point says, as JSON; null for a plain number. */
function detailOf(point: Point): string | null {
  if ("value" in point) return null;
  const { attributes, startTimeUnixNano, timeUnixNano, ...rest } = point;
  const detail: Record<string, unknown> = { ...rest };
  for (const key of ["exemplars", "flags", "$typeName", "$unknown"]) delete detail[key];
  return JSON.stringify(detail, (key, value: unknown) => {
    if (key === "$typeName" || key === "$unknown") return undefined;
    return typeof value === "bigint" ? Number(value) : value;
  });
}
