// What the page is made of. Whatever senders wrote becomes text nodes, never markup.

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
