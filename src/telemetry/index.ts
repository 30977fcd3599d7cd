export type { Attributes, AttributeValue } from "./attributes.ts";
export { type Dashboard, type DashboardOptions, type OtlpEndpoint, startDashboard } from "./dashboard.ts";
export { type DashboardAddress, dashboardClient, type TelemetryQueries } from "./dashboard-client.ts";
export { type TelemetryCode, TelemetryError } from "./errors.ts";
export { type GrpcOptions, type GrpcReceiver, startGrpcReceiver } from "./grpc-receiver.ts";
export { otlpHandler, type ReceiverLimits } from "./http-receiver.ts";
export type {
  LogFilter,
  LogRecord,
  Metric,
  MetricFilter,
  MetricPoint,
  PointFilter,
  Service,
  Span,
  SpanEvent,
  SpanKind,
  SpanLink,
  SpanStatus,
  Stats,
  TimeWindow,
  Trace,
  TraceFilter,
  TraceSource,
  TraceSummary,
  VolumeSource,
} from "./records.ts";
export { formatDuration, formatVolume, type RenderOptions, renderTrace } from "./render-trace.ts";
export { VOLUME_DIGEST, VOLUME_REFERENCE } from "./resources.ts";
export type { Encoding, Outcome, SignalName } from "./signals.ts";
export { type SpanNode, type Step, spanTree, walkTree } from "./span-tree.ts";
export { openStorage, type Storage, type StorageOptions } from "./storage.ts";
