import type { Attributes, AttributeValue } from "./attributes.ts";

/** The image volume that a service's agent came from, as its resource attributes name it. */
export interface VolumeSource {
  readonly reference: string;
  /** Undefined where the workload's reference is not pinned: shown as `unpinned`, never guessed. */
  readonly digest: string | undefined;
}

/** What one service has sent since the database was made. */
export interface Service {
  readonly name: string;
  readonly spans: number;
  readonly points: number;
  readonly logs: number;
  /** When its last record arrived, in ms since 1970. */
  readonly lastSeen: number;
  /** Every volume that it named, sorted. */
  readonly volumes: readonly VolumeSource[];
}

/** A trace as a list shows it. Times are nanoseconds since 1970. */
export interface TraceSummary {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The root span's name; the earliest span's where the root has not arrived. */
  readonly name: string;
  readonly service: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly spans: number;
  readonly errors: number;
  /** Who took part, and from which volume: the root's service first, then by name. */
  readonly sources: readonly TraceSource[];
}

/** A service in a trace. One that ran from two volumes at a time is there twice. */
export interface TraceSource {
  readonly service: string;
  readonly volume: VolumeSource | undefined;
}

export interface Trace extends TraceSummary {
  /** By start time. */
  readonly records: readonly Span[];
  /** By time. */
  readonly logs: readonly LogRecord[];
  /** True where spans or logs beyond the limit were left out. */
  readonly truncated: boolean;
}

export type SpanKind = "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
export type SpanStatus = "unset" | "ok" | "error";

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly service: string;
  readonly volume: VolumeSource | undefined;
  readonly scope: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly start: bigint;
  readonly end: bigint;
  readonly status: SpanStatus;
  readonly statusMessage: string;
  readonly attributes: Attributes;
  readonly resource: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
}

export interface SpanEvent {
  readonly name: string;
  readonly time: bigint;
  readonly attributes: Attributes;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Attributes;
}

export interface LogRecord {
  readonly service: string;
  readonly volume: VolumeSource | undefined;
  readonly scope: string;
  readonly time: bigint;
  /** 1 to 24, or 0 where it is not known: 9 is INFO, 13 WARN, 17 ERROR. */
  readonly severity: number;
  readonly severityText: string;
  readonly body: AttributeValue;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  readonly attributes: Attributes;
}

/** A metric of one service. */
export interface Metric {
  readonly service: string;
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  /** `gauge`, `sum`, `histogram`, `exponentialHistogram` or `summary`. */
  readonly type: string;
  readonly points: number;
  /** The newest point's time. */
  readonly last: bigint;
}

export interface MetricPoint {
  readonly service: string;
  readonly name: string;
  readonly start: bigint;
  readonly time: bigint;
  /** Of a distribution its sum; undefined where there is none. */
  readonly value: number | undefined;
  readonly attributes: Attributes;
  /** Of a distribution: count, bounds, buckets, quantiles, as OTLP has them. */
  readonly detail: Attributes | undefined;
}

/** What the database holds, and what it had to let go. */
export interface Stats {
  readonly spans: number;
  readonly points: number;
  readonly logs: number;
  readonly traces: number;
  /** Records deleted, oldest first, to keep the database below `maxBytes`, since it was opened. */
  readonly evicted: number;
  /** Bytes in use by the database. */
  readonly bytes: number;
  /** Undefined where it may grow. */
  readonly maxBytes: number | undefined;
}

/** Which records to look at. Times are nanoseconds since 1970. */
export interface TimeWindow {
  /** This time and later. */
  readonly since?: bigint | undefined;
  /** Before this time. */
  readonly until?: bigint | undefined;
  /** At most this many, the newest first. */
  readonly limit?: number | undefined;
}

export interface TraceFilter extends TimeWindow {
  /** Traces with a span of this service. */
  readonly service?: string | undefined;
  /** Traces with a span from a volume of this reference or digest. */
  readonly volume?: string | undefined;
  /** Only traces with a failed span. */
  readonly errors?: boolean | undefined;
}

export interface LogFilter extends TimeWindow {
  readonly service?: string | undefined;
  readonly traceId?: string | undefined;
  /** At least this severity. */
  readonly severity?: number | undefined;
}

export interface MetricFilter {
  readonly service?: string | undefined;
}

export interface PointFilter extends TimeWindow {
  readonly name: string;
  readonly service?: string | undefined;
}
