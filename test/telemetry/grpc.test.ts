import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { BaseError, quietCall } from "../../src/base/index.ts";
import { ExportTraceServiceResponseSchema } from "../../src/telemetry/gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { openStorage, startDashboard, startGrpcReceiver, TelemetryError } from "../../src/telemetry/index.ts";
import { SIGNALS } from "../../src/telemetry/signals.ts";
import { grpcSender, logs, metrics, span, T0, traces } from "./sender.ts";

const HINT = "this port speaks gRPC; OTLP/HTTP is received at http://127.0.0.1:4318";
const options = { host: "127.0.0.1", port: 0, hint: () => HINT };
const isStatus = (code: number) => (error: unknown) =>
  error instanceof Error && "code" in error && error.code === code;
const method = Object.fromEntries(SIGNALS.map((s) => [s.name, s.method])) as Record<string, string>;

test("each signal, plain and gzip, over one connection", async () => {
  await using storage = await openStorage();
  await using receiver = await startGrpcReceiver(storage, options);
  const log = { timeUnixNano: T0, body: { value: { case: "stringValue" as const, value: "hi" } } };
  const gauge = {
    name: "g",
    data: {
      case: "gauge" as const,
      value: { dataPoints: [{ timeUnixNano: T0, value: { case: "asInt" as const, value: 1n } }] },
    },
  };
  for (const gzip of [false, true]) {
    await using sender = grpcSender(receiver.port, gzip);
    assert.equal((await sender.send(method["traces"] ?? "", traces("a", [span(1, gzip ? 1 : 2)]))).length, 0);
    await sender.send(method["logs"] ?? "", logs("a", [log]));
    await sender.send(method["metrics"] ?? "", metrics("a", [gauge]));
  }
  const stats = await storage.stats();
  assert.deepEqual([stats.spans, stats.logs, stats.points], [2, 2, 2]);
});

test("a partial success, a request that is no OTLP, and one of 12 MiB", async () => {
  await using storage = await openStorage();
  await using receiver = await startGrpcReceiver(storage, options);
  await using sender = grpcSender(receiver.port);
  const answer = await sender.send(method["traces"] ?? "", traces("a", [span(1, 1), span(0, 2)]));
  assert.equal(fromBinary(ExportTraceServiceResponseSchema, answer).partialSuccess?.rejectedSpans, 1n);
  await assert.rejects(sender.send(method["traces"] ?? "", Buffer.from("no protobuf")), isStatus(3));
  const large = span(1, 3, 1, { name: "x".repeat(12 * 1024 * 1024) });
  await sender.send(method["traces"] ?? "", traces("a", [large]));
  assert.equal((await storage.stats()).spans, 2);
});

test("a message that is too large, plain or as a gzip bomb, is refused and the server lives on", async () => {
  await using storage = await openStorage();
  await using receiver = await startGrpcReceiver(storage, { ...options, messageBytes: 100_000 });
  for (const gzip of [false, true]) {
    await using sender = grpcSender(receiver.port, gzip);
    const bomb = traces("a", [span(1, 1, undefined, { name: "x".repeat(20_000_000) })]);
    await assert.rejects(sender.send(method["traces"] ?? "", bomb), isStatus(8));
  }
  await using sender = grpcSender(receiver.port);
  await sender.send(method["traces"] ?? "", traces("a", [span(1, 1)]));
  assert.equal((await storage.stats()).spans, 1);
});

test("a full queue is UNAVAILABLE, which senders try again", async () => {
  const full = {
    ingest: async () => {
      throw new TelemetryError("queue-full", "full");
    },
  };
  await using receiver = await startGrpcReceiver(full, options);
  await using sender = grpcSender(receiver.port);
  await assert.rejects(sender.send(method["logs"] ?? "", logs("a", [])), isStatus(14));
});

async function raw(port: number, ...parts: (string | Uint8Array)[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  for (const part of parts) socket.write(part);
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

test("an HTTP/1 request is answered 400 with the hint, in the encoding of its sender", async () => {
  await using storage = await openStorage();
  await using receiver = await startGrpcReceiver(storage, options);
  const plain = await fetch(`http://127.0.0.1:${receiver.port}/`);
  assert.equal(plain.status, 400);
  assert.equal(await plain.text(), `${HINT}\n`);
  const json = await fetch(`http://127.0.0.1:${receiver.port}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  assert.deepEqual([json.status, await json.json()], [400, { code: 3, message: HINT }]);
  const body = traces(
    "a",
    Array.from({ length: 3000 }, (_, i) => span(1, i + 1)),
  );
  const head = `POST /v1/traces HTTP/1.1\r\nhost: x\r\nContent-Type: application/x-protobuf\r\ncontent-length: ${body.length}\r\n\r\n`;
  const protobuf = await raw(receiver.port, head, body);
  assert.match(protobuf, /^HTTP\/1.1 400 Bad Request\r\ncontent-type: application\/x-protobuf\r\n/);
  assert.ok(protobuf.includes(HINT));
});

test("what is neither is cut, whatever it sends; gRPC goes on", async () => {
  await using storage = await openStorage();
  await using receiver = await startGrpcReceiver(storage, options);
  assert.equal(await raw(receiver.port, Buffer.from([0x16, 3, 1, 2, 0, 1, 0])), "");
  assert.equal(await raw(receiver.port, "\0\0\0\0"), "");
  const halfPreface = connect(receiver.port, "127.0.0.1");
  halfPreface.write("PRI * HT");
  const gone = once(halfPreface, "close");
  halfPreface.end();
  await gone;
  await using sender = grpcSender(receiver.port);
  await sender.send(method["traces"] ?? "", traces("a", [span(1, 1)]));
  assert.equal((await storage.stats()).spans, 1);
});

test("a sender is told where OTLP/HTTP is by the name under which it came", async () => {
  await using dashboard = await startDashboard({ otlpGrpcPort: 0, otlpHttpPort: 0, uiPort: 0 }, quietCall());
  const grpc = Number(new URL(dashboard.otlpGrpc.endpoint).port);
  const http = new URL(dashboard.otlpHttp.endpoint).port;
  const loopback = `127.0.0.1:${http}`;
  for (const [host, told] of [
    ["dashboard.dashboard:4317", `dashboard.dashboard:${http}`],
    ["localhost", `localhost:${http}`],
    ["[::1]:4317", `[::1]:${http}`],
    ["a b", loopback],
    ['x"\tset-cookie', loopback],
    ["", loopback],
  ] as const) {
    const request = `POST /v1/traces HTTP/1.1\r\nHost: ${host}\r\n\r\nHost: body\r\n`;
    const answer = await raw(grpc, request);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(answer.split("send OTLP/HTTP to ")[1]?.trim(), `http://${told}`, host);
  }
});

test("a port in use is named", async () => {
  await using storage = await openStorage();
  await using receiver = await startGrpcReceiver(storage, options);
  await assert.rejects(
    startGrpcReceiver(storage, { ...options, port: receiver.port, flag: "--otlp-grpc-port" }),
    (error: unknown) =>
      error instanceof BaseError &&
      error.code === "port-in-use" &&
      (error.hint ?? "").includes("--otlp-grpc-port"),
  );
});
