import { styleText } from "node:util";
import { printable } from "../base/index.ts";
import type { LogRecord, Trace, VolumeSource } from "./records.ts";
import { type SpanNode, spanTree, walkTree } from "./span-tree.ts";

export interface RenderOptions {
  /** Columns of the terminal; lines of spans are cut to it. Default 100. */
  readonly width?: number | undefined;
  readonly color?: boolean | undefined;
  /** How many spans and logs to draw; what is left out is counted. Default 40. */
  readonly rows?: number | undefined;
}

type Paint = (style: "bold" | "dim" | "red" | "yellow" | "cyan" | "green", text: string) => string;

/**
 * A trace as text for a terminal: what it was, the volume that each service's agent came from, and the tree of its
 * spans with their logs. What senders wrote is made safe. Ends with a line feed.
 */
export function renderTrace(trace: Trace, options: RenderOptions = {}): string {
  const paint: Paint = options.color
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text;
  const rows = [...drawn(trace)];
  const most = options.rows ?? 40;
  const shown = rows.slice(0, most);
  const lines = [
    heading(trace, paint),
    ...sources(trace, paint),
    ...aligned(shown, options.width ?? 100, paint),
  ];
  if (rows.length > most) lines.push(paint("dim", `   … ${rows.length - most} more`));
  return `${lines.join("\n")}\n`;
}

/** Nanoseconds as a person says them: three figures and a unit. */
export function formatDuration(nanos: bigint): string {
  const n = Number(nanos < 0n ? 0n : nanos);
  if (n < 1000) return `${n} ns`;
  for (const [unit, size] of [
    ["µs", 1e3],
    ["ms", 1e6],
  ] as const) {
    if (n < size * 999.5) return `${(n / size).toPrecision(3)} ${unit}`;
  }
  return n < 1e12 ? `${(n / 1e9).toPrecision(3)} s` : `${Math.round(n / 1e9)} s`;
}

/** `reference@digest`; where the workload's reference is not pinned, `reference (unpinned)`. */
export function formatVolume({ reference, digest }: VolumeSource): string {
  if (digest === undefined) return `${reference} (unpinned)`;
  return reference.includes("@") ? reference : `${reference}@${digest}`;
}

function heading(trace: Trace, paint: Paint): string {
  const spans = `${trace.spans} ${trace.spans === 1 ? "span" : "spans"}`;
  const failed = trace.errors > 0 ? ` · ${paint("red", `${trace.errors} failed`)}` : "";
  const facts = paint("dim", ` · ${formatDuration(trace.end - trace.start)} · ${spans}`);
  return `${paint("bold", printable(trace.name))}${facts}${failed}${paint("dim", ` · trace ${trace.traceId}`)}`;
}

function sources(trace: Trace, paint: Paint): string[] {
  return trace.sources.map(({ service, volume }) => {
    const from =
      volume === undefined ? paint("dim", "no volume named") : paint("cyan", printable(formatVolume(volume)));
    return `  ${paint("green", printable(service))} ← ${from}`;
  });
}

interface Drawn {
  readonly lines: string;
  readonly name: string;
  readonly service: string;
  readonly right: string;
  readonly style: "bold" | "dim" | "red" | "yellow";
}

function* drawn(trace: Trace): Generator<Drawn> {
  const roots = spanTree(trace.records, trace.logs);
  for (const { node, last } of walkTree(roots)) {
    const above = last
      .slice(0, -1)
      .map((l) => (l ? "   " : "│  "))
      .join("");
    const branch = last.at(-1) ? "└─ " : "├─ ";
    yield spanRow(node, `${above}${branch}`);
    const below = `${above}${last.at(-1) ? "   " : "│  "}${node.children.length > 0 ? "│  " : "   "}`;
    for (const log of node.logs) yield logRow(log, below);
  }
  const ids = new Set(trace.records.map(({ spanId }) => spanId));
  for (const log of trace.logs) if (!ids.has(log.spanId ?? "")) yield logRow(log, "   ");
}

function spanRow({ span, orphan }: SpanNode, lines: string): Drawn {
  const message = span.statusMessage === "" ? "" : `: ${span.statusMessage}`;
  const failed = span.status === "error" ? ` ✗${message}` : "";
  return {
    lines,
    name: printable(`${span.name}${orphan ? " (parent not received)" : ""}${failed}`),
    service: printable(span.service),
    right: formatDuration(span.end - span.start),
    style: span.status === "error" ? "red" : "bold",
  };
}

const WARN = 13;
const ERROR = 17;

function logRow(log: LogRecord, lines: string): Drawn {
  const text = typeof log.body === "string" ? log.body : JSON.stringify(log.body);
  const level = log.severityText || "LOG";
  return {
    lines: `${lines}· `,
    name: printable(`${level} ${text.trimEnd()}`),
    service: "",
    right: "",
    style: log.severity >= ERROR ? "red" : log.severity >= WARN ? "yellow" : "dim",
  };
}

/** Spans in columns: the tree with the name, the service, the duration at the right edge. */
function aligned(rows: readonly Drawn[], width: number, paint: Paint): string[] {
  const longest = (lengths: number[]): number => lengths.reduce((a, b) => Math.max(a, b), 0);
  const services = Math.min(longest(rows.map(({ service }) => columns(service))), 24);
  const rights = longest(rows.map(({ right }) => columns(right)));
  const room = Math.max(width - services - rights - 4, 20);
  const spans = rows.filter(({ right }) => right !== "");
  const left = Math.min(longest(spans.map(({ lines, name }) => columns(lines) + columns(name))), room);
  return rows.map(({ lines, name, service, right, style }) => {
    const drawn = cut(lines, right === "" ? width : room);
    if (right === "") return `${paint("dim", drawn)}${paint(style, cut(name, width - columns(drawn)))}`;
    const text = cut(name, Math.max(left - columns(drawn), 1));
    const gap = " ".repeat(Math.max(left - columns(drawn) - columns(text), 0));
    const by = cut(service, services);
    const after = " ".repeat(services - columns(by));
    return `${paint("dim", drawn)}${paint(style, text)}${gap}  ${paint("green", by)}${after}  ${right.padStart(rights)}`;
  });
}

function columns(text: string): number {
  return [...text].length;
}

function cut(text: string, most: number): string {
  const all = [...text];
  return all.length <= most ? text : `${all.slice(0, Math.max(most - 1, 0)).join("")}…`;
}
