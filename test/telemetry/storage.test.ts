import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/base/index.ts";
import { openStorage, TelemetryError } from "../../src/telemetry/index.ts";
import { bytes, logs, metrics, span, spanId, T0, text, traceId, traces } from "./sender.ts";

const VOLUME = {
  "imgvol.volume.reference": "registry.example/agent:1",
  "imgvol.volume.digest": `sha256:${"a".repeat(64)}`,
};
const isCode = (code: string) => (error: unknown) => error instanceof TelemetryError && error.code === code;

test("services: what each sent, and the volumes that it named", async () => {
  await using storage = await openStorage();
  await storage.ingest("traces", "protobuf", traces("shop", [span(1, 1), span(1, 2, 1)], VOLUME));
  await storage.ingest(
    "logs",
    "protobuf",
    logs("shop", [{ body: { value: { case: "stringValue", value: "hi" } } }], {
      "imgvol.volume.reference": "registry.example/agent:2",
    }),
  );
  await storage.ingest(
    "metrics",
    "protobuf",
    metrics("cart", [
      {
        name: "m",
        data: {
          case: "gauge",
          value: { dataPoints: [{ timeUnixNano: T0, value: { case: "asInt", value: 3n } }] },
        },
      },
    ]),
  );
  const [cart, shop, ...rest] = await storage.services();
  assert.deepEqual(rest, []);
  assert.deepEqual([cart?.name, cart?.spans, cart?.points, cart?.logs, cart?.volumes], ["cart", 0, 1, 0, []]);
  assert.deepEqual([shop?.name, shop?.spans, shop?.points, shop?.logs], ["shop", 2, 0, 1]);
  assert.deepEqual(shop?.volumes, [
    { reference: VOLUME["imgvol.volume.reference"], digest: VOLUME["imgvol.volume.digest"] },
    { reference: "registry.example/agent:2", digest: undefined },
  ]);
  assert.ok((shop?.lastSeen ?? 0) > 1_600_000_000_000);
});

test("traces: by service, volume, time and failure, the latest first", async () => {
  await using storage = await openStorage();
  const at = (n: number) => ({ startTimeUnixNano: T0 + BigInt(n), endTimeUnixNano: T0 + BigInt(n) + 1000n });
  await storage.ingest(
    "traces",
    "protobuf",
    traces("a", [span(1, 1, undefined, { name: "one", ...at(100) })], VOLUME),
  );
  await storage.ingest(
    "traces",
    "protobuf",
    traces("b", [
      span(1, 2, 1, at(110)),
      span(2, 3, undefined, { name: "two", ...at(200), status: { code: 2 } }),
    ]),
  );
  await storage.ingest("traces", "protobuf", traces("c", [span(3, 4, 99, { name: "no root", ...at(300) })]));
  const names = async (filter: Parameters<typeof storage.traces>[0]) =>
    (await storage.traces(filter)).map((t) => t.name);
  const cases: [Parameters<typeof storage.traces>[0], string[]][] = [
    [{}, ["no root", "two", "one"]],
    [{ limit: 1 }, ["no root"]],
    [{ service: "b" }, ["two", "one"]],
    [{ service: "nobody" }, []],
    [{ since: T0 + 200n }, ["no root", "two"]],
    [{ until: T0 + 200n }, ["one"]],
    [{ errors: true }, ["two"]],
    [{ errors: false }, ["no root", "two", "one"]],
    [{ volume: VOLUME["imgvol.volume.reference"] }, ["one"]],
    [{ volume: VOLUME["imgvol.volume.digest"] }, ["one"]],
  ];
  for (const [filter, expected] of cases)
    assert.deepEqual(await names(filter), expected, String(Object.entries(filter)));
  const [one] = await storage.traces({ service: "a" });
  assert.deepEqual(
    [
      one?.traceId,
      one?.service,
      one?.sources.map((s) => [s.service, s.volume?.reference]),
      one?.spans,
      one?.start,
      one?.end,
    ],
    [
      traceId(1),
      "a",
      [
        ["a", VOLUME["imgvol.volume.reference"]],
        ["b", undefined],
      ],
      2,
      T0 + 100n,
      T0 + 1110n,
    ],
  );
});

test("trace: its spans with all that they carry, and its logs", async () => {
  await using storage = await openStorage();
  const rich = span(7, 1, undefined, {
    kind: 3,
    status: { code: 2, message: "boom" },
    attributes: [
      ...text({ ["__proto__"]: "data", plain: "yes" }),
      { key: "int", value: { value: { case: "intValue", value: 2n ** 60n } } },
      { key: "small", value: { value: { case: "intValue", value: -5n } } },
      { key: "nan", value: { value: { case: "doubleValue", value: Number.NaN } } },
      { key: "raw", value: { value: { case: "bytesValue", value: bytes("00ff") } } },
      {
        key: "list",
        value: {
          value: {
            case: "arrayValue",
            value: { values: [{ value: { case: "boolValue", value: true } }, {}] },
          },
        },
      },
      { key: "map", value: { value: { case: "kvlistValue", value: { values: text({ k: "v" }) } } } },
    ],
    events: [{ name: "exception", timeUnixNano: T0 + 5n, attributes: text({ "exception.type": "E" }) }],
    links: [{ traceId: bytes(traceId(9)), spanId: bytes(spanId(9)) }],
  });
  await storage.ingest("traces", "protobuf", traces("shop", [rich], VOLUME));
  await storage.ingest(
    "logs",
    "protobuf",
    logs("shop", [
      {
        timeUnixNano: T0 + 20n,
        severityNumber: 9,
        severityText: "INFO",
        traceId: bytes(traceId(7)),
        spanId: bytes(spanId(1)),
        body: { value: { case: "stringValue", value: "second" } },
      },
      {
        observedTimeUnixNano: T0 + 10n,
        traceId: bytes(traceId(7)),
        body: { value: { case: "kvlistValue", value: { values: text({ said: "first" }) } } },
      },
      { timeUnixNano: T0, body: { value: { case: "stringValue", value: "elsewhere" } } },
    ]),
  );
  const trace = await storage.trace(traceId(7));
  const [only] = trace?.records ?? [];
  assert.ok(only);
  assert.deepEqual(Object.entries(only.attributes), [
    ["__proto__", "data"],
    ["plain", "yes"],
    ["int", (2n ** 60n).toString()],
    ["small", -5],
    ["nan", "NaN"],
    ["raw", "AP8="],
    ["list", [true, null]],
    ["map", { k: "v" }],
  ]);
  assert.deepEqual(
    [only.kind, only.status, only.statusMessage, only.start, only.scope, only.parentSpanId],
    ["client", "error", "boom", T0 + 1000n, "tests", undefined],
  );
  assert.deepEqual(only.events, [
    { name: "exception", time: T0 + 5n, attributes: { "exception.type": "E" } },
  ]);
  assert.deepEqual(only.links, [{ traceId: traceId(9), spanId: spanId(9), attributes: {} }]);
  assert.deepEqual(only.volume, {
    reference: VOLUME["imgvol.volume.reference"],
    digest: VOLUME["imgvol.volume.digest"],
  });
  assert.deepEqual(
    trace?.logs.map(({ body, time }) => [body, time]),
    [
      [{ said: "first" }, T0 + 10n],
      ["second", T0 + 20n],
    ],
  );
  assert.equal(trace?.truncated, false);
  assert.equal(await storage.trace(traceId(8)), undefined);
  await assert.rejects(storage.trace("nonsense"), isCode("query-invalid"));
});

test("logs: by service, trace, time and severity, the newest first", async () => {
  await using storage = await openStorage();
  const log = (n: number, severityNumber: 5 | 9 | 17) => ({
    timeUnixNano: T0 + BigInt(n),
    severityNumber,
    body: { value: { case: "stringValue" as const, value: `l${n}` } },
  });
  await storage.ingest("logs", "protobuf", logs("a", [log(1, 5), log(3, 17)]));
  await storage.ingest("logs", "protobuf", logs("b", [{ ...log(2, 9), traceId: bytes(traceId(4)) }]));
  const cases: [Parameters<typeof storage.logs>[0], string[]][] = [
    [{}, ["l3", "l2", "l1"]],
    [{ limit: 2 }, ["l3", "l2"]],
    [{ service: "a" }, ["l3", "l1"]],
    [{ traceId: traceId(4) }, ["l2"]],
    [{ since: T0 + 2n, until: T0 + 3n }, ["l2"]],
    [{ severity: 9 }, ["l3", "l2"]],
  ];
  for (const [filter, expected] of cases)
    assert.deepEqual(
      (await storage.logs(filter)).map((l) => l.body),
      expected,
    );
});

test("metrics and points: every kind of metric", async () => {
  await using storage = await openStorage();
  const at = { startTimeUnixNano: T0 - 9n, timeUnixNano: T0 };
  await storage.ingest(
    "metrics",
    "protobuf",
    metrics("jvm", [
      {
        name: "gauge",
        unit: "By",
        description: "d",
        data: {
          case: "gauge",
          value: {
            dataPoints: [
              { ...at, value: { case: "asInt", value: 7n } },
              {
                ...at,
                timeUnixNano: T0 + 1n,
                value: { case: "asDouble", value: 1.5 },
                attributes: text({ pool: "x" }),
              },
            ],
          },
        },
      },
      {
        name: "sum",
        data: {
          case: "sum",
          value: {
            isMonotonic: true,
            aggregationTemporality: 2,
            dataPoints: [{ ...at, value: { case: "asDouble", value: Number.NaN } }],
          },
        },
      },
      {
        name: "hist",
        data: {
          case: "histogram",
          value: {
            dataPoints: [{ ...at, count: 3n, sum: 6, explicitBounds: [1, 2], bucketCounts: [1n, 1n, 1n] }],
          },
        },
      },
      {
        name: "exp",
        data: {
          case: "exponentialHistogram",
          value: {
            dataPoints: [{ ...at, count: 2n, scale: 3, positive: { offset: 1, bucketCounts: [2n] } }],
          },
        },
      },
      {
        name: "summary",
        data: {
          case: "summary",
          value: {
            dataPoints: [{ ...at, count: 1n, sum: 4, quantileValues: [{ quantile: 0.5, value: 4 }] }],
          },
        },
      },
    ]),
  );
  const found = await storage.metrics({ service: "jvm" });
  assert.deepEqual(
    found.map((m) => [m.name, m.type, m.points]),
    [
      ["exp", "exponentialHistogram", 1],
      ["gauge", "gauge", 2],
      ["hist", "histogram", 1],
      ["sum", "sum", 1],
      ["summary", "summary", 1],
    ],
  );
  assert.deepEqual(await storage.metrics({ service: "other" }), []);
  const gauge = await storage.points({ name: "gauge" });
  assert.deepEqual(
    gauge.map((p) => [p.time, p.value, p.attributes, p.detail]),
    [
      [T0 + 1n, 1.5, { pool: "x" }, undefined],
      [T0, 7, {}, undefined],
    ],
  );
  assert.deepEqual((await storage.points({ name: "gauge", until: T0 + 1n })).length, 1);
  assert.deepEqual((await storage.points({ name: "sum" }))[0]?.value, undefined);
  const [hist] = await storage.points({ name: "hist", service: "jvm" });
  assert.deepEqual(
    [hist?.value, hist?.detail],
    [6, { count: 3, bucketCounts: [1, 1, 1], explicitBounds: [1, 2], sum: 6 }],
  );
  const [exp] = await storage.points({ name: "exp" });
  assert.deepEqual(exp?.detail?.["positive"], { offset: 1, bucketCounts: [2] });
});

test("a repeated request stores nothing twice; bad ids are rejected, the rest kept", async () => {
  await using storage = await openStorage();
  const request = traces("a", [span(1, 1), span(1, 2, 1)]);
  assert.deepEqual(await storage.ingest("traces", "protobuf", request), {
    accepted: 2,
    rejected: 0,
    message: "",
  });
  assert.equal((await storage.ingest("traces", "protobuf", request)).accepted, 2);
  assert.equal((await storage.stats()).spans, 2);
  const mixed = traces("a", [
    span(1, 3, 1),
    span(0, 4),
    span(1, 0),
    span(1, 5, 1, { traceId: bytes("abcd") }),
  ]);
  const outcome = await storage.ingest("traces", "protobuf", mixed);
  assert.deepEqual([outcome.accepted, outcome.rejected], [1, 3]);
  assert.match(outcome.message, /trace id/);
  assert.equal((await storage.stats()).spans, 3);
});

test("times beyond SQLite's integers are kept as the latest it has", async () => {
  await using storage = await openStorage();
  await storage.ingest(
    "traces",
    "protobuf",
    traces("a", [span(1, 1, undefined, { startTimeUnixNano: 2n ** 64n - 1n })]),
  );
  assert.equal((await storage.trace(traceId(1)))?.start, 2n ** 63n - 1n);
});

test("a request that cannot be read leaves nothing, and its neighbours are stored", async () => {
  await using storage = await openStorage();
  const results = await Promise.allSettled([
    storage.ingest("traces", "protobuf", traces("a", [span(1, 1)])),
    storage.ingest("traces", "protobuf", Buffer.from("not protobuf at all")),
    storage.ingest("traces", "protobuf", traces("a", [span(1, 2)])),
  ]);
  assert.deepEqual(
    results.map((r) => r.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  const [, bad] = results;
  assert.ok(bad?.status === "rejected" && isCode("otlp-invalid")(bad.reason));
  assert.equal((await storage.stats()).spans, 2);
});

test("the queue is bounded: what does not fit is refused, and goes in later", async () => {
  const request = traces(
    "a",
    Array.from({ length: 50 }, (_, i) => span(1, i + 1)),
  );
  await using storage = await openStorage({ queueBytes: request.length });
  const first = storage.ingest("traces", "protobuf", request);
  await assert.rejects(storage.ingest("traces", "protobuf", request), isCode("queue-full"));
  assert.equal((await first).accepted, 50);
  assert.equal((await storage.ingest("traces", "protobuf", request)).accepted, 50);
});

test("the oldest go when the database reaches its limit, whole traces with them", async () => {
  const limit = 2 * 1024 * 1024;
  await using storage = await openStorage({ maxBytes: limit });
  for (let trace = 1; trace <= 120; trace++) {
    const spans = Array.from({ length: 100 }, (_, i) =>
      span(trace, trace * 1000 + i, i ? trace * 1000 : undefined, {
        attributes: text({ filler: "x".repeat(200) }),
      }),
    );
    await storage.ingest("traces", "protobuf", traces("a", spans));
  }
  const stats = await storage.stats();
  assert.ok(stats.bytes <= limit, `${stats.bytes}`);
  assert.equal(stats.spans + stats.evicted, 12_000);
  assert.ok(stats.evicted > 0 && stats.traces < 120);
  assert.equal(await storage.trace(traceId(1)), undefined);
  assert.equal((await storage.trace(traceId(120)))?.records.length, 100);
});

test("a database and its log are for their owner alone, from the first byte on and where they were not", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const db = join(folder.path, "t.db");
  const modes = (): string[] =>
    readdirSync(folder.path).map(
      (file) => `${file} ${(statSync(join(folder.path, file)).mode & 0o777).toString(8)}`,
    );
  for (const mode of [undefined, 0o644]) {
    if (mode !== undefined) chmodSync(db, mode);
    await using storage = await openStorage({ db });
    await storage.ingest("traces", "protobuf", traces("a", [span(1, mode ?? 1)]));
    assert.deepEqual(modes().sort(), ["t.db 600", "t.db-wal 600"]);
  }
});

test("a database file is kept, private, and read again", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const db = join(folder.path, "t.db");
  {
    await using storage = await openStorage({ db });
    await storage.ingest("traces", "protobuf", traces("a", [span(1, 1)], VOLUME));
    await assert.rejects(openStorage({ db }), isCode("database-locked"));
  }
  assert.equal(statSync(db).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder.path), ["t.db"]);
  await using storage = await openStorage({ db });
  assert.equal((await storage.trace(traceId(1)))?.records.length, 1);
  await storage.ingest("traces", "protobuf", traces("a", [span(1, 2, 1)], VOLUME));
  assert.equal((await storage.services())[0]?.spans, 2);
});

test("a file that is not ours is refused and left as it was", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const text = join(folder.path, "notes.txt");
  writeFileSync(text, "dear diary ".repeat(100));
  await assert.rejects(openStorage({ db: text }), isCode("database-invalid"));
  assert.equal(statSync(text).size, 1100);
  const { DatabaseSync } = await import("node:sqlite");
  const other = join(folder.path, "other.db");
  const db = new DatabaseSync(other);
  db.exec("CREATE TABLE mine (x)");
  db.close();
  const before = readFileSync(other);
  await assert.rejects(openStorage({ db: other }), isCode("database-invalid"));
  assert.deepEqual(readFileSync(other), before);
  assert.deepEqual(readdirSync(folder.path).sort(), ["notes.txt", "other.db"]);
  await assert.rejects(openStorage({ db: join(folder.path, "no", "such") }), isCode("database-invalid"));
});

test("the temporary database leaves no file, even while it is open", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder.path;
  try {
    await using storage = await openStorage();
    await storage.ingest("traces", "protobuf", traces("a", [span(1, 1)]));
    assert.deepEqual(readdirSync(folder.path), []);
    assert.equal((await storage.stats()).spans, 1);
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
  assert.ok(existsSync(folder.path));
});

test("closing stores what waits; afterwards everything is refused", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const db = join(folder.path, "t.db");
  const storage = await openStorage({ db });
  const waiting = Array.from({ length: 20 }, (_, i) =>
    storage.ingest("traces", "protobuf", traces("a", [span(1, i + 1)])),
  );
  await storage[Symbol.asyncDispose]();
  assert.equal((await Promise.all(waiting)).length, 20);
  await assert.rejects(storage.ingest("traces", "protobuf", traces("a", [])), isCode("storage-failed"));
  await assert.rejects(storage.services(), isCode("storage-failed"));
  await storage[Symbol.asyncDispose]();
  await using again = await openStorage({ db });
  assert.equal((await again.stats()).spans, 20);
});

test("a file of another version is refused by name", async () => {
  await using folder = await temporaryFolder(tmpdir());
  const db = join(folder.path, "t.db");
  await (await openStorage({ db }))[Symbol.asyncDispose]();
  const { DatabaseSync } = await import("node:sqlite");
  const file = new DatabaseSync(db);
  file.exec("PRAGMA user_version = 99");
  file.close();
  await assert.rejects(openStorage({ db }), (error: unknown) => {
    return isCode("database-invalid")(error) && /another version/.test((error as Error).message);
  });
});
