import assert from "node:assert/strict";
import { test } from "node:test";
import { openStorage, startGrpcReceiver } from "../../src/telemetry/index.ts";
import { SIGNALS } from "../../src/telemetry/signals.ts";
import { grpcSender, span, text, traceId, traces } from "./sender.ts";

const SPANS = 100_000;
const BATCH = 500;
const MIB = 1024 * 1024;

function batch(n: number): Uint8Array {
  const attributes = text({
    "http.request.method": "GET",
    "url.path": "/hello/world",
    "thread.name": "main",
  });
  const spans = Array.from({ length: BATCH }, (_, i) => {
    const id = n * BATCH + i + 1;
    return span(Math.ceil(id / 10), id, id % 10 === 1 ? undefined : id - 1, { attributes });
  });
  return traces(`service-${n % 5}`, spans);
}

test("100,000 spans through a small queue: what is acknowledged is stored, memory stays bounded", async () => {
  // A queue for two batches, and eight senders: they are turned away and come again, as an exporter does.
  await using storage = await openStorage({ queueBytes: 2 * batch(0).length });
  await using receiver = await startGrpcReceiver(storage, { host: "127.0.0.1", port: 0, hint: () => "" });
  await using sender = grpcSender(receiver.port);
  const before = process.memoryUsage().rss;
  let next = 0;
  let acknowledged = 0;
  let turnedAway = 0;
  let peak = 0;
  const send = async (): Promise<void> => {
    while (next < SPANS / BATCH) {
      const message = batch(next++);
      for (;;) {
        try {
          await sender.send(SIGNALS[0]?.method ?? "", message);
          break;
        } catch (error) {
          assert.ok(error instanceof Error && "code" in error && error.code === 14, String(error));
          turnedAway++;
        }
      }
      acknowledged += BATCH;
      peak = Math.max(peak, process.memoryUsage().rss);
    }
  };
  await Promise.all(Array.from({ length: 8 }, send));
  const stats = await storage.stats();
  assert.equal(acknowledged, SPANS);
  assert.equal(stats.spans, SPANS);
  assert.equal(stats.traces, SPANS / 10);
  assert.ok(turnedAway > 0);
  assert.ok(peak - before < 300 * MIB, `${Math.round((peak - before) / MIB)} MiB`);
  assert.equal((await storage.trace(traceId(5000)))?.records.length, 10);
});
