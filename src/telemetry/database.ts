import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../base/index.ts";
import { decode } from "./decode.ts";
import { TelemetryError } from "./errors.ts";
import { evict } from "./evict.ts";
import { logs } from "./query-logs.ts";
import { metrics, points } from "./query-metrics.ts";
import { services, stats, usedBytes } from "./query-services.ts";
import { trace, traces } from "./query-traces.ts";
import type {
  LogFilter,
  LogRecord,
  Metric,
  MetricFilter,
  MetricPoint,
  PointFilter,
  Service,
  Stats,
  Trace,
  TraceFilter,
  TraceSummary,
} from "./records.ts";
import { Resources } from "./resources.ts";
import { openDatabase } from "./schema.ts";
import type { Encoding, Outcome, SignalName } from "./signals.ts";
import { LogWriter } from "./write-logs.ts";
import { MetricWriter } from "./write-metrics.ts";
import { SpanWriter } from "./write-spans.ts";

/** One export request as it arrived. */
export interface Arrival {
  readonly signal: SignalName;
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
}

/** What can be asked, by name: each takes one argument that can be cloned, and gives what can be cloned. */
export interface Queries {
  /** Every service that sent something, by name, with the volumes that it named. */
  services(): Service[];
  /** The traces that pass the filter, the latest to start first. */
  traces(filter: TraceFilter): TraceSummary[];
  /** One trace with its spans and logs, or undefined where none of its spans is here. */
  trace(traceId: string): Trace | undefined;
  /** The log records that pass the filter, the newest first. */
  logs(filter: LogFilter): LogRecord[];
  /** The metrics that services sent, by service and name; instances of a service are one. */
  metrics(filter: MetricFilter): Metric[];
  /** The points of one metric that pass the filter, the newest first. */
  points(filter: PointFilter): MetricPoint[];
  /** What the database holds, and what it had to let go. */
  stats(): Stats;
}

/** The telemetry database: synchronous, for the worker that owns it. */
export class Database {
  readonly #db: DatabaseSync;
  readonly #resources: Resources;
  readonly #spans: SpanWriter;
  readonly #metrics: MetricWriter;
  readonly #logs: LogWriter;
  readonly #maxBytes: number | undefined;
  #evicted = 0;

  constructor(path: string | undefined, maxBytes: number | undefined) {
    this.#db = openDatabase(path);
    this.#maxBytes = maxBytes;
    this.#resources = new Resources(this.#db);
    this.#spans = new SpanWriter(this.#db, this.#resources);
    this.#metrics = new MetricWriter(this.#db, this.#resources);
    this.#logs = new LogWriter(this.#db, this.#resources);
  }

  /**
   * Stores a batch in one transaction. The results stand in the order of the arrivals; a request that cannot be read
   * gives an error of its own and leaves nothing. Throws where the batch as a whole failed, and then nothing is kept.
   *
   * @param now in ms since 1970.
   */
  write(batch: readonly Arrival[], now: number): (Outcome | Error)[] {
    this.#db.exec("BEGIN");
    try {
      const outcomes = batch.map((arrival) => this.#writeOne(arrival, now));
      this.#db.exec("COMMIT");
      if (this.#maxBytes !== undefined && usedBytes(this.#db) > this.#maxBytes) {
        this.#evicted += evict(this.#db, this.#maxBytes);
      }
      return outcomes;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#resources.forget();
      throw error;
    }
  }

  #writeOne({ signal, encoding, bytes }: Arrival, now: number): Outcome | Error {
    let store: () => Outcome;
    try {
      store = this.#decoded(signal, encoding, bytes, now);
    } catch (error) {
      return error instanceof TelemetryError ? error : new TelemetryError("otlp-invalid", messageOf(error));
    }
    this.#db.exec("SAVEPOINT request");
    try {
      return store();
    } catch (error) {
      this.#db.exec("ROLLBACK TO request");
      this.#resources.forget();
      return new TelemetryError("storage-failed", `could not store ${signal}: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      this.#db.exec("RELEASE request");
    }
  }

  #decoded(signal: SignalName, encoding: Encoding, bytes: Uint8Array, now: number): () => Outcome {
    switch (signal) {
      case "traces": {
        const request = decode(signal, encoding, bytes);
        return () => this.#spans.write(request, now);
      }
      case "metrics": {
        const request = decode(signal, encoding, bytes);
        return () => this.#metrics.write(request, now);
      }
      case "logs": {
        const request = decode(signal, encoding, bytes);
        return () => this.#logs.write(request, now);
      }
    }
  }

  readonly queries: Queries = {
    services: () => services(this.#db),
    traces: (filter) => traces(this.#db, filter),
    trace: (traceId) => trace(this.#db, traceId),
    logs: (filter) => logs(this.#db, filter),
    metrics: (filter) => metrics(this.#db, filter),
    points: (filter) => points(this.#db, filter),
    stats: () => stats(this.#db, this.#evicted, this.#maxBytes),
  };

  close(): void {
    this.#db.close();
  }
}
