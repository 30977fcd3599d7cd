// What the page is made of: elements and words. Whatever senders wrote becomes text nodes, never markup.

/** An element with properties, attributes (`aria-…`, `data-…`) and children; text becomes text nodes. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== undefined && child !== false));
  return node;
}

/** Replaces what an element holds; the focus stays on what has the same `data-id`. */
export function redraw(parent, ...children) {
  const id = parent.contains(document.activeElement)
    ? document.activeElement.closest("[data-id]")?.dataset.id
    : undefined;
  parent.replaceChildren(...children);
  if (id === undefined) return;
  const again = [...parent.querySelectorAll("[data-id]")].find((node) => node.dataset.id === id);
  (again?.querySelector("summary") ?? again)?.focus();
}

export async function ask(path) {
  const response = await fetch(`/api/${path}`);
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

/** Nanoseconds between two decimal texts, as a number. */
export const between = (from, to) => Math.max(Number(BigInt(to) - BigInt(from)), 0);

export function duration(nanos) {
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

export function when(nanos) {
  const at = new Date(Number(BigInt(nanos) / 1_000_000n));
  const today = at.toDateString() === new Date().toDateString();
  const time = `${clock.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return today ? time : `${date.format(at)} ${time}`;
}

const COLOURS = 8;
const colours = new Map();

/** A service keeps its colour on every visit, unless another one took it first. */
export function colour(service) {
  const known = colours.get(service);
  if (known !== undefined) return known;
  let hash = 0;
  for (const char of service) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  const taken = new Set([...colours.values()].slice(-COLOURS + 1));
  while (taken.has(`s${hash % COLOURS}`)) hash++;
  colours.set(service, `s${hash % COLOURS}`);
  return colours.get(service);
}

export const dot = (service) => el("span", { className: `dot ${colour(service)}`, "aria-hidden": "true" });

export function volume({ reference, digest }) {
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

export const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
