import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Exchange } from "./flaky-exchange.ts";

/** One way in which a network, or a server, lets a client down. */
export interface Fault {
  readonly name: string;
  /** Which requests can meet it. Default: any. */
  readonly of?: "uploads" | "downloads" | "all but blobs";
  readonly happen: (exchange: Exchange) => Promise<void>;
}

/** An answer of the proxy's own, before the request's body or after it. */
async function refuse(exchange: Exchange, status: number, more: readonly string[] = []): Promise<void> {
  const early = exchange.random() < 0.5;
  if (!early) for await (const _ of exchange.request);
  const body = "<html>busy</html>";
  const length = exchange.request.method === "HEAD" ? "" : body;
  const lines = [`HTTP/1.1 ${status} Busy`, `content-length: ${body.length}`, ...more];
  if (early) lines.push("connection: close");
  await exchange.write(`${[...lines, "", ""].join("\r\n")}${length}`);
  if (early) exchange.finish();
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Passes a random part of the answer's body and says how many bytes were left out. */
async function passPart(exchange: Exchange, answer: IncomingMessage): Promise<void> {
  const part = exchange.some(Number(answer.headers["content-length"] ?? 1000));
  let left = part;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    await exchange.write(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) return;
  }
}

const FAULTS: readonly Fault[] = [
  {
    name: "request cut",
    of: "uploads",
    async happen(exchange) {
      const size = Number(exchange.request.headers["content-length"] ?? 1_000_000);
      await exchange.ask(1 + exchange.some(size)).catch(() => {});
      exchange.cut();
    },
  },
  {
    name: "request stopped moving",
    of: "uploads",
    async happen(exchange) {
      exchange.request.pause();
      await exchange.hold();
    },
  },
  {
    name: "answer lost",
    async happen(exchange) {
      const answer = await exchange.ask();
      answer.resume();
      exchange.cut();
    },
  },
  {
    name: "answer never comes",
    async happen(exchange) {
      exchange.request.resume();
      await exchange.hold();
    },
  },
  {
    name: "head cut",
    async happen(exchange) {
      const answer = await exchange.ask();
      const head = exchange.head(answer);
      await exchange.write(head.slice(0, 1 + exchange.some(head.length - 2)));
      answer.resume();
      exchange.finish();
    },
  },
  {
    name: "body cut",
    of: "downloads",
    async happen(exchange) {
      const answer = await exchange.ask();
      await exchange.write(exchange.head(answer));
      await passPart(exchange, answer);
      exchange.cut();
    },
  },
  {
    name: "body stopped moving",
    of: "downloads",
    async happen(exchange) {
      const answer = await exchange.ask();
      await exchange.write(exchange.head(answer));
      await passPart(exchange, answer);
      await exchange.hold();
    },
  },
  {
    name: "body drips",
    of: "downloads",
    async happen(exchange) {
      const answer = await exchange.ask();
      await exchange.write(exchange.head(answer));
      for (const byte of await bodyOf(answer)) {
        if (exchange.gone) return;
        await exchange.write(Uint8Array.of(byte));
        await sleep(2);
      }
    },
  },
  {
    name: "length too long",
    of: "downloads",
    async happen(exchange) {
      const answer = await exchange.ask();
      const body = await bodyOf(answer);
      await exchange.write(
        exchange.head(answer, { "content-length": `${body.length + 1 + exchange.some(5000)}` }),
      );
      await exchange.write(body);
      exchange.finish();
    },
  },
  {
    name: "length too short",
    of: "downloads",
    async happen(exchange) {
      const answer = await exchange.ask();
      const body = await bodyOf(answer);
      await exchange.write(exchange.head(answer, { "content-length": `${exchange.some(body.length)}` }));
      await exchange.write(body);
    },
  },
  {
    name: "chunks cut",
    of: "downloads",
    async happen(exchange) {
      const answer = await exchange.ask();
      const body = await bodyOf(answer);
      const changes = { "content-length": undefined, "transfer-encoding": "chunked" };
      await exchange.write(exchange.head(answer, changes));
      const sent = body.subarray(0, exchange.some(body.length));
      await exchange.write(`${body.length.toString(16)}\r\n`);
      await exchange.write(sent);
      exchange.finish();
    },
  },
  {
    name: "garbage",
    async happen(exchange) {
      exchange.request.resume();
      await exchange.write("SSH-2.0-HTTP/9.9 two hundred\r\n\r\n");
      exchange.finish();
    },
  },
  {
    // In one packet: where the second answer comes while the next request is on its way, nothing tells it from that one's.
    name: "answered twice",
    of: "all but blobs",
    async happen(exchange) {
      const answer = await exchange.ask();
      const whole = Buffer.concat([Buffer.from(exchange.head(answer)), await bodyOf(answer)]);
      await exchange.write(Buffer.concat([whole, whole]));
    },
  },
  {
    name: "delayed",
    async happen(exchange) {
      await sleep(exchange.some(60));
      await exchange.pass();
    },
  },
  { name: "429", happen: (exchange) => refuse(exchange, 429) },
  {
    name: "429, to be waited for",
    happen: (exchange) => refuse(exchange, 429, [`retry-after: ${exchange.random() < 0.9 ? 0 : 1}`]),
  },
  {
    name: "429, until a time",
    happen: (exchange) => refuse(exchange, 429, [`retry-after: ${new Date(Date.now()).toUTCString()}`]),
  },
  { name: "500", happen: (exchange) => refuse(exchange, 500) },
  { name: "502", happen: (exchange) => refuse(exchange, 502) },
  { name: "503", happen: (exchange) => refuse(exchange, 503, ["retry-after: 0"]) },
  { name: "504", happen: (exchange) => refuse(exchange, 504) },
];

/** A fault for a request. Every second one is one that only few requests can meet: else those would be rare. */
export function faultFor({ method, url }: IncomingMessage, random: () => number): Fault | undefined {
  const isUpload = method === "PATCH" || method === "PUT";
  const own = FAULTS.filter(
    (fault) => fault.of === (isUpload ? "uploads" : method === "GET" ? "downloads" : ""),
  );
  const blob = method === "GET" && url?.includes("/blobs/") === true;
  const common = FAULTS.filter((fault) => fault.of === undefined || (fault.of === "all but blobs" && !blob));
  const possible = own.length > 0 && random() < 0.5 ? own : common;
  return possible[Math.floor(random() * possible.length)];
}
