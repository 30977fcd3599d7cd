import { printable } from "../base/index.ts";
import { type RenderOptions, renderTrace } from "../telemetry/index.ts";
import type { ServiceTelemetry } from "./arrived.ts";
import type { DemoResult } from "./demo.ts";

const WIDTH = "hello-spring".length;

/** The demo's end for a terminal: a trace of each service as a tree, and what has come in all. */
export function renderDemo(result: DemoResult, options: RenderOptions): string {
  const { reference, digest } = result.volume;
  return [
    ...result.traces.map((trace) => renderTrace(trace, options)),
    `${"volume".padEnd(WIDTH)}  ${reference}@${digest}`,
    ...result.services.map((service) => `${printable(service.name).padEnd(WIDTH)}  ${counts(service)}`),
  ].join("\n");
}

function counts({ spans, metrics, points, logs, logsInTraces }: ServiceTelemetry): string {
  const examples = metrics.filter((name) => /^(?:jvm|nodejs|v8js|http)\./.test(name)).slice(0, 3);
  const such = examples.length === 0 ? "" : ` (${examples.map(printable).join(", ")}, …)`;
  const written =
    logs === 0 ? "no logs (it writes to its console alone)" : `${logs} logs, ${logsInTraces} with trace ids`;
  return `${spans} spans · ${metrics.length} metrics${such}, ${points} points · ${written}`;
}
