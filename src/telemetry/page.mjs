// The dashboard's page: the services, their latest traces, and what changes while one looks.

import { ask } from "./page-api.mjs";
import { dot, el, redraw, volume } from "./page-elements.mjs";
import { drawTree } from "./page-tree.mjs";
import { between, count, duration, when } from "./page-words.mjs";

const PAGE = 50;
const $ = (id) => document.getElementById(id);
const state = { service: undefined, errors: false, limit: PAGE, known: undefined };

// Services

function drawServices(services) {
  const total = (key) => services.reduce((sum, service) => sum + service[key], 0);
  const all = {
    name: undefined,
    spans: total("spans"),
    points: total("points"),
    logs: total("logs"),
    volumes: [],
  };
  redraw($("services"), ...[all, ...services].map(serviceRow));
}

function serviceRow({ name, spans, points, logs, volumes }) {
  const sent = [
    [spans, "span"],
    [points, "metric point"],
    [logs, "log"],
  ];
  const counts = sent.flatMap(([n, noun]) => (n > 0 ? [count(n, noun)] : [])).join(" · ");
  const title = name === undefined ? "All services" : name;
  const button = el(
    "button",
    { type: "button", className: "service", "aria-pressed": String(state.service === name) },
    el("strong", {}, name !== undefined && dot(name), title),
    el("small", {}, counts),
    ...volumes.map(volume),
  );
  button.dataset.id = name ?? "";
  button.addEventListener("click", () => {
    state.service = name;
    state.limit = PAGE;
    refresh();
  });
  return el("li", {}, button);
}

// Traces

function drawTraces(traces) {
  const list = $("traces");
  const before = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const items = traces.slice(0, state.limit).map((trace) => {
    const version = `${trace.spans} ${trace.errors} ${trace.end} ${trace.name}`;
    const old = before.get(trace.traceId);
    if (old?.dataset.version === version) return old;
    const item = old ?? traceItem(trace);
    item.dataset.version = version;
    const details = item.firstChild;
    details.querySelector("summary").replaceChildren(...traceSummary(trace));
    if (details.open) drawTree(details, trace.traceId);
    if (old === undefined && state.known?.has(trace.traceId) === false) item.classList.add("fresh");
    return item;
  });
  // Only what changed moves, so that focus and scrolling stay where they are.
  for (const [id, item] of before) if (!items.some((kept) => kept.dataset.id === id)) item.remove();
  items.forEach((item, at) => {
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  state.known = new Set(items.map((item) => item.dataset.id));
  $("none").hidden = items.length > 0;
  $("more").hidden = traces.length <= state.limit;
}

function traceItem({ traceId }) {
  const details = el("details", { className: "trace" }, el("summary"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) drawTree(details, traceId);
  });
  const item = el("li", {}, details);
  item.dataset.id = traceId;
  return item;
}

function traceSummary(trace) {
  const facts = el(
    "span",
    { className: "facts" },
    el("b", {}, duration(between(trace.start, trace.end))),
    ` · ${count(trace.spans, "span")} · ${when(trace.start)}`,
  );
  const title = el("span", { className: "title" }, trace.name || "(no name)");
  if (trace.errors > 0) title.append(" ", el("span", { className: "tag bad" }, `${trace.errors} failed`));
  const origin = el("span", { className: "origin" });
  for (const source of trace.sources) {
    const from = source.volume ? volume(source.volume) : "no image volume named";
    origin.append(el("span", {}, dot(source.service), el("b", {}, source.service), " ", from));
  }
  return [title, facts, origin];
}

// The whole

async function drawEmpty() {
  if ($("ways").childElementCount > 0) return;
  const { endpoints } = await ask("info");
  const ways = [
    ["OTLP over HTTP", endpoints.http, "http/protobuf"],
    ["OTLP over gRPC", endpoints.grpc, "grpc"],
  ];
  $("ways").replaceChildren(
    ...ways.map(([title, endpoint, protocol]) => {
      const lines = `export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}`;
      const copy = el(
        "button",
        { type: "button", className: "button", "aria-label": `Copy the settings of ${title}` },
        "Copy",
      );
      copy.addEventListener("click", async () => {
        await navigator.clipboard.writeText(`${lines}\n`);
        copy.textContent = "Copied";
      });
      return el("div", { className: "way" }, el("h3", {}, title, copy), el("pre", { tabIndex: 0 }, lines));
    }),
  );
}

async function draw() {
  const [services, stats] = await Promise.all([ask("services"), ask("stats")]);
  $("empty").hidden = services.length > 0;
  $("full").hidden = services.length === 0;
  if (services.length === 0) return drawEmpty();
  const query = new URLSearchParams({ limit: String(state.limit + 1), errors: String(state.errors) });
  if (state.service !== undefined) query.set("service", state.service);
  const traces = await ask(`traces?${query}`);
  const evicted = stats.evicted > 0 ? ` · ${count(stats.evicted, "old record")} let go` : "";
  $("stats").textContent = `${count(stats.traces, "trace")} · ${count(stats.spans, "span")}${evicted}`;
  $("heading").textContent =
    state.service === undefined ? "Latest traces" : `Latest traces of ${state.service}`;
  drawServices(services);
  drawTraces(traces);
}

let drawing = false;
let again = false;

/** Draws, and draws once more where something changed meanwhile: never two at once. */
async function refresh() {
  again = true;
  if (drawing) return;
  drawing = true;
  try {
    while (again) {
      again = false;
      await draw();
    }
  } catch {
    live("reconnecting");
  } finally {
    drawing = false;
  }
}

function live(name) {
  $("live").dataset.state = name;
  const word = $("live").querySelector(".state");
  if (word.textContent !== name) word.textContent = name;
}

$("errors").addEventListener("change", ({ target }) => {
  state.errors = target.checked;
  refresh();
});
$("more").addEventListener("click", () => {
  state.limit += PAGE;
  refresh();
});

const events = new EventSource("/api/events");
events.addEventListener("open", () => live("live"));
events.addEventListener("stored", refresh);
events.addEventListener("error", () => live("reconnecting"));
