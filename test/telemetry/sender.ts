// An OTLP sender for the tests: requests built with the generated code, sent as an SDK's exporter would.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, compressionAlgorithms, credentials, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { ExportLogsServiceRequestSchema } from "../../src/telemetry/gen/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts";
import { ExportMetricsServiceRequestSchema } from "../../src/telemetry/gen/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.ts";
import { ExportTraceServiceRequestSchema } from "../../src/telemetry/gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import type { KeyValueSchema } from "../../src/telemetry/gen/opentelemetry/proto/common/v1/common_pb.ts";
import type { LogRecordSchema } from "../../src/telemetry/gen/opentelemetry/proto/logs/v1/logs_pb.ts";
import type { MetricSchema } from "../../src/telemetry/gen/opentelemetry/proto/metrics/v1/metrics_pb.ts";
import type { SpanSchema } from "../../src/telemetry/gen/opentelemetry/proto/trace/v1/trace_pb.ts";

export type SpanInit = MessageInitShape<typeof SpanSchema>;
export type LogInit = MessageInitShape<typeof LogRecordSchema>;
export type MetricInit = MessageInitShape<typeof MetricSchema>;
type Pair = MessageInitShape<typeof KeyValueSchema>;

export const T0 = 1_760_000_000_123_456_789n;

export const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, "hex"));
export const traceId = (n: number): string => n.toString(16).padStart(32, "0");
export const spanId = (n: number): string => n.toString(16).padStart(16, "0");

export function text(attributes: Readonly<Record<string, string>>): Pair[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: { value: { case: "stringValue", value } },
  }));
}

export function span(trace: number, id: number, parent?: number, more: SpanInit = {}): SpanInit {
  return {
    traceId: bytes(traceId(trace)),
    spanId: bytes(spanId(id)),
    parentSpanId: parent === undefined ? new Uint8Array() : bytes(spanId(parent)),
    name: `span ${id}`,
    kind: 2,
    startTimeUnixNano: T0 + BigInt(id) * 1000n,
    endTimeUnixNano: T0 + BigInt(id) * 1000n + 5_000_000n,
    ...more,
  };
}

export function traces(
  service: string,
  spans: SpanInit[],
  resource: Record<string, string> = {},
): Uint8Array {
  const attributes = text({ "service.name": service, ...resource });
  return toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, {
      resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: "tests" }, spans }] }],
    }),
  );
}

export function logs(
  service: string,
  logRecords: LogInit[],
  resource: Record<string, string> = {},
): Uint8Array {
  const attributes = text({ "service.name": service, ...resource });
  return toBinary(
    ExportLogsServiceRequestSchema,
    create(ExportLogsServiceRequestSchema, {
      resourceLogs: [{ resource: { attributes }, scopeLogs: [{ scope: { name: "tests" }, logRecords }] }],
    }),
  );
}

export function metrics(
  service: string,
  list: MetricInit[],
  resource: Record<string, string> = {},
): Uint8Array {
  const attributes = text({ "service.name": service, ...resource });
  return toBinary(
    ExportMetricsServiceRequestSchema,
    create(ExportMetricsServiceRequestSchema, {
      resourceMetrics: [
        { resource: { attributes }, scopeMetrics: [{ scope: { name: "tests" }, metrics: list }] },
      ],
    }),
  );
}

export interface GrpcSender extends AsyncDisposable {
  /** Resolves to the response's bytes; rejects with a gRPC error. */
  send(method: string, message: Uint8Array): Promise<Buffer>;
}

export function grpcSender(port: number, gzip = false): GrpcSender {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
    ...(gzip ? { "grpc.default_compression_algorithm": compressionAlgorithms.gzip } : {}),
  });
  const same = (value: Buffer): Buffer => value;
  return {
    send: (method, message) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          method,
          same,
          same,
          Buffer.from(message),
          (error: ServiceError | null, value?: Buffer, _metadata?: Metadata) =>
            error === null && value !== undefined ? resolve(value) : reject(error),
        );
      }),
    async [Symbol.asyncDispose]() {
      client.close();
    },
  };
}
