// Many spans by both of OTLP's ways at once, into a dashboard in a process of its own, which is killed in the middle.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryFolder } from "../../src/base/index.ts";
import { SIGNALS } from "../../src/telemetry/signals.ts";
import { grpcSender, span, text, traces } from "../telemetry/sender.ts";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");
const BATCH = 500;
const method: string = SIGNALS[0]?.method ?? "";

export interface SpansReport {
  readonly sent: number;
  readonly stored: number;
  /** Requests that were told to come again. */
  readonly turnedAway: number;
  /** The dashboard's peak of resident memory, in bytes. */
  readonly peak: number;
  /** Acknowledged before the kill, and found after it. */
  readonly afterKill: readonly [acknowledged: number, found: number];
  readonly seconds: number;
}

/** Sends `count` spans, half by gRPC and half by HTTP; then as many batches as fit before a kill at half of them. */
export async function sendSpans(count: number): Promise<SpansReport> {
  await using folder = await temporaryFolder(tmpdir(), "imgvol-spans-");
  const db = join(folder.path, "t.db");
  const began = performance.now();
  let dashboard = await open(db);
  const all = await sendAll(dashboard, 0, count, () => {});
  const stored = await dashboard.spans();
  assert.equal(stored, all.acknowledged, "what is acknowledged is stored, and nothing else");
  assert.equal(stored, count);
  const peak = await dashboard.peak();
  await dashboard.end("SIGTERM");
  const seconds = (performance.now() - began) / 1000;

  dashboard = await open(db);
  let acknowledged = 0;
  const doomed = dashboard;
  let killed: Promise<void> | undefined;
  await sendAll(doomed, count, count, (spans) => {
    acknowledged += spans;
    if (acknowledged >= count / 10) killed ??= doomed.end("SIGKILL");
  }).catch((error: unknown) => {
    if (killed === undefined) throw error;
  });
  await killed;
  dashboard = await open(db);
  const found = (await dashboard.spans()) - count;
  await dashboard.end("SIGTERM");
  assert.ok(found >= acknowledged, `${acknowledged} were acknowledged before the kill, ${found} are there`);
  const { turnedAway } = all;
  return { sent: count, stored, turnedAway, peak, afterKill: [acknowledged, found], seconds };
}

interface Opened {
  readonly grpc: number;
  readonly http: string;
  spans(): Promise<number>;
  peak(): Promise<number>;
  end(signal: NodeJS.Signals): Promise<void>;
}

async function open(db: string): Promise<Opened> {
  const ports = ["--otlp-grpc-port", "0", "--otlp-http-port", "0", "--ui-port", "0"];
  const args = [main, "dashboard", "--db", db, ...ports, "--max-size", "100GiB", "--json", "--quiet"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const { url, otlpGrpc, otlpHttp } = JSON.parse(await firstDocument(child));
  const { origin, searchParams } = new URL(url);
  const headers = { authorization: `Bearer ${searchParams.get("t")}` };
  return {
    grpc: Number(new URL(otlpGrpc.endpoint).port),
    http: `${otlpHttp.endpoint}/v1/traces`,
    async spans() {
      const stats: { spans: number } = JSON.parse(
        await (await fetch(`${origin}/api/stats`, { headers })).text(),
      );
      return stats.spans;
    },
    async peak() {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
    },
    async end(signal) {
      child.kill(signal);
      await closed;
    },
  };
}

/** The JSON on a program's stdout, which stays open. */
async function firstDocument(child: ChildProcess): Promise<string> {
  let said = "";
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    said += chunk;
    if (/^}\n/m.test(said)) return said;
  }
  throw new Error(`the dashboard ended by itself: ${said}`);
}

async function sendAll(
  to: Opened,
  first: number,
  count: number,
  onAcknowledged: (spans: number) => void,
): Promise<{ acknowledged: number; turnedAway: number }> {
  await using sender = grpcSender(to.grpc);
  let next = 0;
  let acknowledged = 0;
  let turnedAway = 0;
  const byGrpc = async (body: Uint8Array): Promise<boolean> => {
    try {
      await sender.send(method, body);
      return true;
    } catch (error) {
      // 14, UNAVAILABLE: come again.
      if (
        error instanceof Error &&
        "code" in error &&
        error.code === 14 &&
        /queue|busy|retry/i.test(error.message)
      )
        return false;
      throw error;
    }
  };
  const byHttp = async (body: Uint8Array): Promise<boolean> => {
    const headers = { "content-type": "application/x-protobuf" };
    const answer = await fetch(to.http, { method: "POST", headers, body: new Uint8Array(body) });
    await answer.arrayBuffer();
    assert.ok([200, 429, 503].includes(answer.status), `status ${answer.status}`);
    return answer.status === 200;
  };
  const worker = async (send: (body: Uint8Array) => Promise<boolean>): Promise<void> => {
    while (next < count / BATCH) {
      const body = batch(first + next++ * BATCH);
      while (!(await send(body))) turnedAway++;
      acknowledged += BATCH;
      onAcknowledged(BATCH);
    }
  };
  await Promise.all([byGrpc, byHttp, byGrpc, byHttp, byGrpc, byHttp].map(worker));
  return { acknowledged, turnedAway };
}

function batch(first: number): Uint8Array {
  const attributes = text({
    "http.request.method": "GET",
    "url.path": "/hello/world",
    "thread.name": "main",
  });
  const spans = Array.from({ length: BATCH }, (_, i) => {
    const id = first + i + 1;
    return span(Math.ceil(id / 10), id, id % 10 === 1 ? undefined : id - 1, { attributes });
  });
  return traces(`service-${(first / BATCH) % 5}`, spans);
}
