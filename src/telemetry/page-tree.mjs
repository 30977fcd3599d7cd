// One trace as a tree of spans beside their time.

import { ask } from "./page-api.mjs";
import { colour, dot, el, redraw } from "./page-elements.mjs";
import { between, duration, text, when } from "./page-words.mjs";

/** Draws a trace into its details, which stay as they are where the trace cannot be had. */
export async function drawTree(details, traceId) {
  const trace = await ask(`traces/${traceId}`).catch(() => undefined);
  if (trace === undefined) return;
  const opened = new Set([...details.querySelectorAll(".span[open]")].map((span) => span.dataset.id));
  const total = between(trace.start, trace.end) || 1;
  const ticks = el(
    "div",
    {},
    ...[0, 1, 2, 3].map((n) => el("span", {}, n === 0 ? "0" : duration(Math.round((total * n) / 4)))),
  );
  const tree = el(
    "div",
    { className: "tree" },
    el(
      "div",
      { className: "ruler" },
      el("span", { className: "mono" }, `trace ${trace.traceId}`),
      ticks,
      el("span"),
    ),
  );
  for (const row of trace.rows) {
    tree.append(spanRow(row, trace, total, opened));
    for (const log of row.logs) tree.append(logRow(log, row.depth + 1));
  }
  for (const log of trace.logs) tree.append(logRow(log, 0));
  if (trace.truncated)
    tree.append(el("p", { className: "quiet" }, "This trace has more records than are shown."));
  redraw(details, details.querySelector("summary"), tree);
}

const indent = (depth) => `${6 + Math.min(depth, 24) * 16}px`;

function spanRow({ depth, orphan, span }, trace, total, opened) {
  const took = between(span.start, span.end);
  const bar = el("span", { className: span.status === "error" ? "bad" : colour(span.service) });
  bar.style.left = `${Math.min((between(trace.start, span.start) / total) * 100, 99.5)}%`;
  bar.style.width = `${Math.min((took / total) * 100, 100)}%`;
  const time = el("span", { className: "time", "aria-hidden": "true" }, bar);
  for (const event of span.events) {
    const mark = el("u", { title: event.name });
    mark.style.left = `${Math.min((between(trace.start, event.time) / total) * 100, 100)}%`;
    time.append(mark);
  }
  const name = el(
    "span",
    { className: "name", title: span.name },
    dot(span.service),
    span.name || "(no name)",
  );
  name.append(el("em", {}, `${span.service} · ${span.kind}${orphan ? " · parent not received" : ""}`));
  name.style.paddingLeft = indent(depth);
  const summary = el("summary", {}, name, time, el("span", { className: "took" }, duration(took)));
  const details = el("details", { className: span.status === "error" ? "span failed" : "span" }, summary);
  details.dataset.id = span.spanId;
  const fill = () => details.children.length === 1 && details.append(spanDetail(span));
  details.addEventListener("toggle", () => details.open && fill());
  if (opened.has(span.spanId)) {
    fill();
    details.open = true;
  }
  return details;
}

function spanDetail(span) {
  const facts = { "span id": span.spanId, start: when(span.start), scope: span.scope, status: span.status };
  if (span.statusMessage) facts.message = span.statusMessage;
  if (span.volume) facts["image volume"] = span.volume.reference;
  if (span.volume) facts.digest = span.volume.digest ?? "unpinned";
  const parts = [section("Span", facts), section("Attributes", span.attributes)];
  for (const event of span.events) parts.push(section(`Event: ${event.name}`, event.attributes));
  for (const link of span.links) parts.push(section(`Link to trace ${link.traceId}`, link.attributes));
  parts.push(section("Resource", span.resource));
  return el("div", { className: "detail" }, ...parts);
}

function section(title, values) {
  const list = el("dl");
  for (const [key, value] of Object.entries(values))
    list.append(el("dt", {}, key), el("dd", {}, text(value)));
  return el("section", {}, el("h3", {}, title), list);
}

function logRow(log, depth) {
  const level = log.severity >= 17 ? "error" : log.severity >= 13 ? "warn" : "";
  const row = el(
    "div",
    { className: `log ${level}` },
    el("b", {}, log.severityText || "LOG"),
    text(log.body),
  );
  row.style.marginLeft = indent(depth);
  row.title = `${when(log.time)} ${log.service} ${log.scope}`;
  return row;
}
