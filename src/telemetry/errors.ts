import { ImgvolError } from "../base/index.ts";

export type TelemetryCode =
  | "otlp-invalid"
  | "otlp-too-large"
  | "otlp-unsupported"
  | "queue-full"
  | "database-invalid"
  | "database-locked"
  | "storage-failed"
  | "query-invalid"
  | "dashboard-failed";

/** Errors of receiving, keeping and querying telemetry. */
export class TelemetryError extends ImgvolError<TelemetryCode> {}
