import type { DatabaseSync, StatementSync } from "node:sqlite";
import { attributesOf, plainValue } from "./attributes.ts";
import type { ExportRequest } from "./decode.ts";
import { storedNanos } from "./nanos.ts";
import type { Resources } from "./resources.ts";
import type { Outcome } from "./signals.ts";
import { isId } from "./write-spans.ts";

/** Writes the log records of export requests. */
export class LogWriter {
  readonly #resources: Resources;
  readonly #log: StatementSync;

  constructor(db: DatabaseSync, resources: Resources) {
    this.#resources = resources;
    this.#log = db.prepare(
      `INSERT INTO logs (resource, scope, time, severity, severity_text, body, trace_id, span_id, attributes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  write(request: ExportRequest<"logs">, now: number): Outcome {
    let accepted = 0;
    for (const { resource, scopeLogs } of request.resourceLogs) {
      const from = this.#resources.resource(resource);
      let stored = 0;
      for (const { scope, logRecords } of scopeLogs) {
        const within = this.#resources.scope(scope);
        for (const log of logRecords) {
          // The specification has consumers take the time of observation where the event's own is not known.
          const time = log.timeUnixNano === 0n ? log.observedTimeUnixNano : log.timeUnixNano;
          const traced = isId(log.traceId, 16);
          this.#log.run(
            from,
            within,
            time === 0n ? BigInt(now) * 1_000_000n : storedNanos(time),
            log.severityNumber,
            log.severityText,
            JSON.stringify(plainValue(log.body)),
            traced ? log.traceId : null,
            traced && isId(log.spanId, 8) ? log.spanId : null,
            JSON.stringify(attributesOf(log.attributes)),
          );
          stored++;
        }
      }
      accepted += stored;
      this.#resources.count("logs", from, stored, now);
    }
    return { accepted, rejected: 0, message: "" };
  }
}
