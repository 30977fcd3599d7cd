import { create, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  ExportLogsServiceRequestSchema,
  ExportLogsServiceResponseSchema,
} from "./gen/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts";
import {
  ExportMetricsServiceRequestSchema,
  ExportMetricsServiceResponseSchema,
} from "./gen/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import {
  ExportTraceServiceRequestSchema,
  ExportTraceServiceResponseSchema,
} from "./gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";

export type SignalName = "traces" | "metrics" | "logs";
export type Encoding = "protobuf" | "json";

/** What became of one export request: how many of its records were refused, and why. */
export interface Outcome {
  /** Spans, metric points or log records that are stored. */
  readonly accepted: number;
  readonly rejected: number;
  /** Why some were rejected; empty where none was. */
  readonly message: string;
}

/** One of the three signals of OTLP: where it arrives and how it is answered. */
export interface Signal {
  readonly name: SignalName;
  /** OTLP/HTTP's default path. */
  readonly path: string;
  /** OTLP/gRPC's method. */
  readonly method: string;
  /** The body of a full or partial success, in the encoding of the request. */
  answer(outcome: Outcome, encoding: Encoding): Uint8Array;
}

const COLLECTOR = "/opentelemetry.proto.collector";

export const SIGNALS: readonly Signal[] = [
  {
    name: "traces",
    path: "/v1/traces",
    method: `${COLLECTOR}.trace.v1.TraceService/Export`,
    answer(outcome, encoding) {
      const partly = partial(outcome, { rejectedSpans: BigInt(outcome.rejected) });
      return encoded(ExportTraceServiceResponseSchema, partly, encoding);
    },
  },
  {
    name: "metrics",
    path: "/v1/metrics",
    method: `${COLLECTOR}.metrics.v1.MetricsService/Export`,
    answer(outcome, encoding) {
      const partly = partial(outcome, { rejectedDataPoints: BigInt(outcome.rejected) });
      return encoded(ExportMetricsServiceResponseSchema, partly, encoding);
    },
  },
  {
    name: "logs",
    path: "/v1/logs",
    method: `${COLLECTOR}.logs.v1.LogsService/Export`,
    answer(outcome, encoding) {
      const partly = partial(outcome, { rejectedLogRecords: BigInt(outcome.rejected) });
      return encoded(ExportLogsServiceResponseSchema, partly, encoding);
    },
  },
];

function encoded<Schema extends DescMessage>(
  schema: Schema,
  init: MessageInitShape<Schema>,
  encoding: Encoding,
): Uint8Array {
  const response = create(schema, init);
  return encoding === "json" ? Buffer.from(toJsonString(schema, response)) : toBinary(schema, response);
}

/** A full success must leave `partial_success` unset (OTLP specification, "Full Success"). */
function partial<T extends object>(
  outcome: Outcome,
  rejected: T,
): { partialSuccess?: T & { errorMessage: string } } {
  return outcome.rejected === 0 ? {} : { partialSuccess: { ...rejected, errorMessage: outcome.message } };
}

/** The messages that carry each signal. */
export const REQUESTS: {
  readonly traces: typeof ExportTraceServiceRequestSchema;
  readonly metrics: typeof ExportMetricsServiceRequestSchema;
  readonly logs: typeof ExportLogsServiceRequestSchema;
} = {
  traces: ExportTraceServiceRequestSchema,
  metrics: ExportMetricsServiceRequestSchema,
  logs: ExportLogsServiceRequestSchema,
};
