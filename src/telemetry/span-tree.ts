import type { LogRecord, Span } from "./records.ts";

/** A span with what happened below it. */
export interface SpanNode {
  readonly span: Span;
  /** By start time. */
  readonly children: readonly SpanNode[];
  /** The logs written within this span itself, by time. */
  readonly logs: readonly LogRecord[];
  /** True where the span names a parent that has not arrived. */
  readonly orphan: boolean;
}

/** A node on the way through a tree, with what a drawing needs. */
export interface Step {
  readonly node: SpanNode;
  readonly depth: number;
  /** For each level down to this one: whether it is the last of its siblings. */
  readonly last: readonly boolean[];
}

interface Growing extends SpanNode {
  readonly children: Growing[];
  readonly logs: LogRecord[];
  orphan: boolean;
}

/**
 * The spans of one trace as trees. Roots are spans without a parent, those whose parent is not here, and the earliest
 * of each circle of parents, so that every span is in the result exactly once. A span id that comes twice counts once.
 */
export function spanTree(spans: readonly Span[], logs: readonly LogRecord[] = []): readonly SpanNode[] {
  const nodes = new Map<string, Growing>();
  for (const span of [...spans].sort(byStart)) {
    if (!nodes.has(span.spanId)) nodes.set(span.spanId, { span, children: [], logs: [], orphan: false });
  }
  for (const log of logs) nodes.get(log.spanId ?? "")?.logs.push(log);

  const roots: Growing[] = [];
  for (const node of nodes.values()) {
    const parentId = node.span.parentSpanId;
    const parent = parentId === undefined ? undefined : nodes.get(parentId);
    if (parent === undefined) {
      node.orphan = parentId !== undefined;
      roots.push(node);
    } else {
      parent.children.push(node);
    }
  }
  return [...roots, ...circles(nodes, roots)].sort((a, b) => byStart(a.span, b.span));
}

/** What no root leads to hangs in a circle of parents: each circle is cut at its earliest span. */
function circles(nodes: ReadonlyMap<string, Growing>, roots: readonly Growing[]): Growing[] {
  const reached = new Set<SpanNode>();
  for (const { node } of walkTree(roots)) reached.add(node);
  const cut: Growing[] = [];
  for (const node of nodes.values()) {
    if (reached.has(node)) continue;
    const start = onCircle(node, nodes);
    const parent = nodes.get(start.span.parentSpanId ?? "");
    parent?.children.splice(parent.children.indexOf(start), 1);
    start.orphan = true;
    cut.push(start);
    for (const step of walkTree([start])) reached.add(step.node);
  }
  return cut;
}

/** From a span that no root leads to, its parents lead into a circle: the earliest span on it. */
function onCircle(from: Growing, nodes: ReadonlyMap<string, Growing>): Growing {
  const seen = new Set<Growing>();
  let at = from;
  while (!seen.has(at)) {
    seen.add(at);
    at = nodes.get(at.span.parentSpanId ?? "") ?? at;
  }
  let earliest = at;
  for (let next = nodes.get(at.span.parentSpanId ?? ""); next !== undefined && next !== at; ) {
    if (byStart(next.span, earliest.span) < 0) earliest = next;
    next = nodes.get(next.span.parentSpanId ?? "");
  }
  return earliest;
}

/** Every node, parents before children. Not recursive: a trace may be a chain of thousands. */
export function* walkTree(roots: readonly SpanNode[]): Generator<Step> {
  const stack: Step[] = [];
  const push = (nodes: readonly SpanNode[], depth: number, above: readonly boolean[]): void => {
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      if (node !== undefined) stack.push({ node, depth, last: [...above, i === nodes.length - 1] });
    }
  };
  push(roots, 0, []);
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    yield step;
    push(step.node.children, step.depth + 1, step.last);
  }
}

function byStart(a: Span, b: Span): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}
