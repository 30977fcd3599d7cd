import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { HttpHandler, HttpResponse } from "../../src/base/index.ts";
import { ExportTraceServiceResponseSchema } from "../../src/telemetry/gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { openStorage, otlpHandler, TelemetryError } from "../../src/telemetry/index.ts";
import { logs, metrics, span, spanId, T0, traceId, traces } from "./sender.ts";

const PROTOBUF = { "content-type": "application/x-protobuf" };
const JSON_TYPE = { "content-type": "application/json" };

async function post(
  handler: HttpHandler,
  path: string,
  headers: Record<string, string>,
  body: Uint8Array | string,
  method = "POST",
): Promise<HttpResponse> {
  return handler({
    method,
    path,
    query: new URLSearchParams(),
    headers: new Map(Object.entries(headers)),
    signal: new AbortController().signal,
    body: (async function* () {
      const bytes = Buffer.from(body);
      for (let at = 0; at < bytes.length; at += 20_000) {
        const chunk = Uint8Array.from(bytes.subarray(at, at + 20_000));
        yield chunk;
        // As the server does: a chunk is the reader's only until it asks for the next.
        chunk.buffer.transfer(0);
      }
    })(),
  });
}

function textOf(response: HttpResponse): string {
  assert.ok(response.body instanceof Uint8Array);
  return Buffer.from(response.body).toString();
}

const JSON_TRACE = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},
  "scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174",
  "parentSpanId":"","name":"say \\"1760000000123456789\\" [1760000000123456789]","startTimeUnixNano":1760000000123456789,
  "endTimeUnixNano":"1760000000123456799","kind":2,"aFieldOfTomorrow":{"x":[1]},
  "attributes":[{"key":"n","value":{"intValue":"9007199254740993"}},{"key":"d","value":{"doubleValue":0.12345678901234567}}],
  "status":{"code":2}}]}]}]}`;

test("JSON: hexadecimal ids, exact nanoseconds, numbers for enums, unknown fields", async () => {
  await using storage = await openStorage();
  const answer = await post(otlpHandler(storage), "/v1/traces", JSON_TYPE, JSON_TRACE);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.headers, { "content-type": "application/json" });
  assert.deepEqual(JSON.parse(textOf(answer)), {});
  const trace = await storage.trace("5b8efff798038103d269b633813fc60c");
  const [only] = trace?.records ?? [];
  assert.equal(only?.spanId, "eee19b7ec3c1b174");
  assert.equal(only?.parentSpanId, undefined);
  assert.equal(only?.name, 'say "1760000000123456789" [1760000000123456789]');
  assert.deepEqual([only?.start, only?.end], [1760000000123456789n, 1760000000123456799n]);
  assert.deepEqual([only?.kind, only?.status], ["server", "error"]);
  assert.deepEqual(only?.attributes, { n: "9007199254740993", d: 0.12345678901234566 });
});

test("protobuf: each signal, plain and gzip, is answered in kind", async () => {
  await using storage = await openStorage();
  const handler = otlpHandler(storage);
  const log = { timeUnixNano: T0, body: { value: { case: "stringValue" as const, value: "hi" } } };
  const gauge = {
    name: "g",
    data: {
      case: "gauge" as const,
      value: { dataPoints: [{ timeUnixNano: T0, value: { case: "asInt" as const, value: 1n } }] },
    },
  };
  const requests: [string, Uint8Array][] = [
    ["/v1/traces", traces("a", [span(1, 1)])],
    ["/v1/logs", logs("a", [log])],
    ["/v1/metrics", metrics("a", [gauge])],
  ];
  for (const [path, body] of requests) {
    for (const [headers, bytes] of [
      [PROTOBUF, body],
      [{ ...PROTOBUF, "content-encoding": "gzip" }, gzipSync(body)],
    ] as const) {
      const answer = await post(handler, path, headers, bytes);
      assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "application/x-protobuf"]);
      assert.equal(textOf(answer), "");
    }
  }
  const stats = await storage.stats();
  assert.deepEqual([stats.spans, stats.logs, stats.points], [1, 2, 2]);
});

test("a gzip body that comes in many pieces is not read after they were taken back", async () => {
  await using storage = await openStorage();
  const log = {
    timeUnixNano: T0,
    body: { value: { case: "stringValue" as const, value: randomBytes(500_000).toString("base64") } },
  };
  const body = gzipSync(logs("a", [log]));
  const answer = await post(
    otlpHandler(storage),
    "/v1/logs",
    { ...PROTOBUF, "content-encoding": "gzip" },
    body,
  );
  assert.equal(answer.status, 200);
  assert.equal((await storage.stats()).logs, 1);
});

test("a partial success says how many spans were rejected, and why", async () => {
  await using storage = await openStorage();
  const request = traces("a", [span(1, 1), span(0, 2)]);
  const answer = await post(otlpHandler(storage), "/v1/traces", PROTOBUF, request);
  assert.equal(answer.status, 200);
  assert.ok(answer.body instanceof Uint8Array);
  const { partialSuccess } = fromBinary(ExportTraceServiceResponseSchema, answer.body);
  assert.equal(partialSuccess?.rejectedSpans, 1n);
  assert.match(partialSuccess?.errorMessage ?? "", /trace id/);
  const json = JSON_TRACE.replace("5B8EFFF798038103D269B633813FC60C", "");
  const told = JSON.parse(textOf(await post(otlpHandler(storage), "/v1/traces", JSON_TYPE, json)));
  assert.equal(told.partialSuccess.rejectedSpans, "1");
});

test("what is refused, and how", async () => {
  await using storage = await openStorage();
  const handler = otlpHandler(storage, { messageBytes: 100_000 });
  const good = traces("a", [span(1, 1)]);
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const cases: [
    name: string,
    Parameters<typeof post> extends [unknown, ...infer Rest] ? Rest : never,
    number,
    string,
  ][] = [
    ["another path", ["/v1/profiles", PROTOBUF, good], 404, "application/x-protobuf"],
    ["GET", ["/v1/traces", JSON_TYPE, "", "GET"], 405, "application/json"],
    ["another type", ["/v1/traces", { "content-type": "text/plain" }, good], 415, "application/json"],
    ["no type", ["/v1/traces", {}, good], 415, "application/json"],
    [
      "another coding",
      ["/v1/traces", { ...PROTOBUF, "content-encoding": "br" }, good],
      415,
      "application/x-protobuf",
    ],
    [
      "not gzip",
      ["/v1/traces", { ...PROTOBUF, "content-encoding": "gzip" }, good],
      400,
      "application/x-protobuf",
    ],
    [
      "gzip cut short",
      ["/v1/traces", { ...PROTOBUF, "content-encoding": "gzip" }, gzipSync(good).subarray(0, -12)],
      400,
      "application/x-protobuf",
    ],
    ["not protobuf", ["/v1/traces", PROTOBUF, "hello"], 400, "application/x-protobuf"],
    ["not JSON", ["/v1/traces", JSON_TYPE, "{"], 400, "application/json"],
    ["another shape", ["/v1/traces", JSON_TYPE, '{"resourceSpans":7}'], 400, "application/json"],
    [
      "an id that is not hexadecimal",
      ["/v1/traces", JSON_TYPE, JSON_TRACE.replace("eee19b7ec3c1b174", "WDEzRGJU")],
      400,
      "application/json",
    ],
    [
      "nested too deeply",
      ["/v1/logs", JSON_TYPE, `${'{"resourceLogs":['.repeat(5000)}`],
      400,
      "application/json",
    ],
    [
      "nested too deeply, well formed",
      ["/v1/logs", JSON_TYPE, `{"x":${"[".repeat(5000)}${"]".repeat(5000)}}`],
      400,
      "application/json",
    ],
    [
      "a gzip bomb",
      ["/v1/traces", { ...PROTOBUF, "content-encoding": "gzip" }, bomb],
      413,
      "application/x-protobuf",
    ],
    ["too large", ["/v1/traces", PROTOBUF, Buffer.alloc(100_001)], 413, "application/x-protobuf"],
  ];
  for (const [name, request, status, type] of cases) {
    const answer = await post(handler, ...request);
    assert.equal(answer.status, status, `${name}: ${textOf(answer)}`);
    assert.equal(answer.headers["content-type"], type, name);
    if (type === "application/json") {
      const body = JSON.parse(textOf(answer));
      assert.equal(typeof body.code, "number", name);
      assert.equal(typeof body.message, "string", name);
    } else {
      assert.equal((answer.body as Uint8Array)[0], 8, name);
    }
    assert.equal(answer.headers["allow"], status === 405 ? "POST" : undefined);
  }
  assert.equal((await storage.stats()).spans, 0);
});

test("when there is no room the sender is told to come again", async () => {
  const full = {
    ingest: async () => {
      throw new TelemetryError("queue-full", "full");
    },
  };
  const answer = await post(otlpHandler(full), "/v1/traces", PROTOBUF, traces("a", [span(1, 1)]));
  assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, "1"]);
});

test("requests under way share a bounded room in memory", async () => {
  const { promise, resolve } = deferred();
  const slow = {
    ingest: async () => {
      await promise;
      return { accepted: 1, rejected: 0, message: "" };
    },
  };
  const handler = otlpHandler(slow, { inFlightBytes: 1000 });
  const request = traces("a", [span(1, 1, undefined, { name: "x".repeat(700) })]);
  const first = post(handler, "/v1/traces", PROTOBUF, request);
  const second = await post(handler, "/v1/traces", PROTOBUF, request);
  assert.equal(second.status, 503);
  resolve();
  assert.equal((await first).status, 200);
  assert.equal((await post(handler, "/v1/traces", PROTOBUF, request)).status, 200);
});

test("broken requests are answered 400 or are a success; nothing crashes, and the next good one is stored", async () => {
  await using storage = await openStorage();
  const handler = otlpHandler(storage);
  const good = traces("a", [span(1, 1), span(1, 2, 1)]);
  const json = Buffer.from(JSON_TRACE);
  const damage = fc.tuple(
    fc.boolean(),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
    fc.nat(),
  );
  await fc.assert(
    fc.asyncProperty(damage, async ([asJson, edits, cut]) => {
      const bytes = Buffer.from(asJson ? json : good);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      const body = bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : bytes.length);
      for (const path of ["/v1/traces", "/v1/metrics", "/v1/logs"]) {
        const { status } = await post(handler, path, asJson ? JSON_TYPE : PROTOBUF, body);
        assert.ok(status === 200 || status === 400, String(status));
      }
    }),
    { numRuns: 300 },
  );
  const before = (await storage.stats()).spans;
  assert.equal((await post(handler, "/v1/traces", PROTOBUF, traces("a", [span(99, 99)]))).status, 200);
  assert.equal((await storage.stats()).spans, before + 1);
  assert.equal((await storage.trace(traceId(99)))?.records[0]?.spanId, spanId(99));
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
