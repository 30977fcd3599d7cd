import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatDuration,
  type LogRecord,
  renderTrace,
  type Span,
  spanTree,
  type Trace,
  walkTree,
} from "../../src/telemetry/index.ts";

function span(
  spanId: string,
  parentSpanId: string | undefined,
  start: number,
  more: Partial<Span> = {},
): Span {
  return {
    traceId: "t",
    spanId,
    parentSpanId,
    service: "shop",
    volume: undefined,
    scope: "",
    name: spanId,
    kind: "server",
    start: BigInt(start),
    end: BigInt(start) + 1_500_000n,
    status: "unset",
    statusMessage: "",
    attributes: {},
    resource: {},
    events: [],
    links: [],
    ...more,
  };
}

function log(spanId: string | undefined, body: string, more: Partial<LogRecord> = {}): LogRecord {
  return {
    service: "shop",
    volume: undefined,
    scope: "",
    time: 1n,
    severity: 9,
    severityText: "INFO",
    body,
    traceId: "t",
    spanId,
    attributes: {},
    ...more,
  };
}

function shape(spans: Span[]): string[] {
  return [...walkTree(spanTree(spans))].map(
    ({ node, depth }) => `${"-".repeat(depth)}${node.span.spanId}${node.orphan ? "?" : ""}`,
  );
}

test("spans become trees, by start time, whatever order they came in", () => {
  const cases: [Span[], string[]][] = [
    [[], []],
    [
      [span("b", "a", 2), span("a", undefined, 1), span("d", "b", 4), span("c", "a", 3)],
      ["a", "-b", "--d", "-c"],
    ],
    [
      [span("x", "gone", 2), span("a", undefined, 1)],
      ["a", "x?"],
    ],
    [[span("a", undefined, 1), span("a", undefined, 5)], ["a"]],
    [[span("self", "self", 1)], ["self?"]],
    [
      [span("b", "a", 2), span("a", "b", 1), span("c", "b", 3)],
      ["a?", "-b", "--c"],
    ],
    [
      [span("early tail", "b", 0), span("b", "a", 2), span("a", "b", 1)],
      ["a?", "-b", "--early tail"],
    ],
  ];
  for (const [spans, expected] of cases) assert.deepEqual(shape(spans), expected);
});

test("every span is in the trees exactly once, also in circles", () => {
  const id = fc.integer({ min: 0, max: 12 }).map(String);
  const any = fc.uniqueArray(fc.record({ id, parent: fc.option(id, { nil: undefined }), start: fc.nat(9) }), {
    selector: (s) => s.id,
  });
  fc.assert(
    fc.property(any, (list) => {
      const found = [...walkTree(spanTree(list.map((s) => span(s.id, s.parent, s.start))))].map(
        ({ node }) => node.span.spanId,
      );
      assert.deepEqual(found.sort(), list.map((s) => s.id).sort());
    }),
  );
});

test("a chain of 10,000 spans is walked", () => {
  const chain = Array.from({ length: 10_000 }, (_, i) =>
    span(String(i), i === 0 ? undefined : String(i - 1), i),
  );
  let count = 0;
  for (const _ of walkTree(spanTree(chain))) count++;
  assert.equal(count, 10_000);
});

const volume = { reference: "registry.example/agent:1", digest: "sha256:abc" };
const trace: Trace = {
  traceId: "5b8efff798038103d269b633813fc60c",
  name: "GET /hello/{name}",
  service: "shop",
  start: 0n,
  end: 41_230_000n,
  spans: 4,
  errors: 1,
  sources: [
    { service: "shop", volume },
    { service: "shop", volume: undefined },
    { service: "cart", volume: { reference: "agent:2", digest: undefined } },
  ],
  truncated: false,
  records: [
    span("GET /hello/{name}", undefined, 0, { end: 41_230_000n, volume }),
    span("handler", "GET /hello/{name}", 10, { volume }),
    span("GET cart", "GET /hello/{name}", 20, { status: "error", statusMessage: "no\u001b[2J way" }),
    span("cart", "GET cart", 30, { service: "cart", volume: { reference: "agent:2", digest: undefined } }),
  ],
  logs: [
    log("handler", "said hello"),
    log("GET cart", "refused", { severity: 17, severityText: "ERROR" }),
    log(undefined, "loose"),
  ],
};

test("a trace is drawn as a tree with its volumes, safe for a terminal", () => {
  assert.equal(
    renderTrace(trace, { width: 72 }),
    `GET /hello/{name} · 41.2 ms · 4 spans · 1 failed · trace 5b8efff798038103d269b633813fc60c
  shop ← registry.example/agent:1@sha256:abc
  shop ← no volume named
  cart ← agent:2 (unpinned)
└─ GET /hello/{name}               shop  41.2 ms
   ├─ handler                      shop  1.50 ms
   │     · INFO said hello
   └─ GET cart ✗: no\\u{1b}[2J way  shop  1.50 ms
      │  · ERROR refused
      └─ cart                      cart  1.50 ms
   · INFO loose
`,
  );
});

test("lines of spans keep to the width, and rows to their number; color adds only escapes", () => {
  const narrow = renderTrace(trace, { width: 40, rows: 3 }).trimEnd().split("\n");
  for (const line of narrow.slice(4, -1)) assert.ok([...line].length <= 40, line);
  assert.equal(narrow.at(-1), "   … 4 more");
  const colored = renderTrace(trace, { width: 72, color: true });
  assert.ok(colored.includes("\u001b["));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking the escapes away is the purpose
  assert.equal(colored.replace(/\u001b\[\d+m/g, ""), renderTrace(trace, { width: 72 }));
});

test("durations are said alike on the page and in the terminal", async () => {
  const page = new URL("../../src/telemetry/page-words.mjs", import.meta.url).href;
  const { duration }: { duration(nanos: number): string } = await import(page);
  for (const [nanos, said] of [
    [0, "0 ns"],
    [999, "999 ns"],
    [1000, "1.00 µs"],
    [999_499, "999 µs"],
    [999_500, "1.00 ms"],
    [1_234_567, "1.23 ms"],
    [59_900_000_000, "59.9 s"],
    [3_600_000_000_000, "3600 s"],
  ] as const) {
    assert.deepEqual([duration(nanos), formatDuration(BigInt(nanos))], [said, said]);
  }
});
