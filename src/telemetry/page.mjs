// The dashboard's page. Whatever senders wrote reaches the document as text, never as markup.

const PAGE = 50;
const $ = (id) => document.getElementById(id);
const state = { service: undefined, errors: false, limit: PAGE, trees: new Map(), known: undefined };

/** An element with properties, attributes (`aria-…`, `data-…`) and children; text becomes text nodes. */
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== undefined && child !== false));
  return node;
}

async function ask(path) {
  const response = await fetch(`/api/${path}`);
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/** Nanoseconds between two decimal texts, as a number. */
const between = (from, to) => Math.max(Number(BigInt(to) - BigInt(from)), 0);

function duration(nanos) {
  if (nanos < 1000) return `${nanos} ns`;
  for (const [unit, size] of [
    ["µs", 1e3],
    ["ms", 1e6],
  ]) {
    if (nanos < size * 999.5) return `${(nanos / size).toPrecision(3)} ${unit}`;
  }
  return nanos < 1e12 ? `${(nanos / 1e9).toPrecision(3)} s` : `${Math.round(nanos / 1e9)} s`;
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

function when(nanos) {
  const at = new Date(Number(BigInt(nanos) / 1_000_000n));
  const today = at.toDateString() === new Date().toDateString();
  const time = `${clock.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return today ? time : `${date.format(at)} ${time}`;
}

const COLOURS = 8;
const colours = new Map();

/** A service keeps its colour on every visit, unless another one took it first. */
function colour(service) {
  const known = colours.get(service);
  if (known !== undefined) return known;
  let hash = 0;
  for (const char of service) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  const taken = new Set([...colours.values()].slice(-COLOURS + 1));
  while (taken.has(`s${hash % COLOURS}`)) hash++;
  colours.set(service, `s${hash % COLOURS}`);
  return colours.get(service);
}

const dot = (service) => el("span", { className: `dot ${colour(service)}`, "aria-hidden": "true" });

function volume({ reference, digest }) {
  const node = el(
    "span",
    { className: "volume", title: `${reference}${digest ? `@${digest}` : ""}` },
    reference,
  );
  const short = digest && `@${digest.slice(0, digest.indexOf(":") + 13)}`;
  if (short && !reference.includes("@")) node.append(el("i", {}, short));
  if (!digest) node.append(" ", el("span", { className: "tag unpinned" }, "unpinned"));
  return node;
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

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
  $("services").replaceChildren(...[all, ...services].map(serviceRow));
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

async function drawTree(details, traceId) {
  const trace = await ask(`traces/${traceId}`);
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
  details.replaceChildren(details.querySelector("summary"), tree);
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
