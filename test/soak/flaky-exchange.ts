import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** What is known of uploads that were begun. */
export interface Told {
  /** How many the registry may have opened. */
  asked: number;
  /** Those of which the client heard, for it came back to them, by their ids. */
  readonly heard: Set<string>;
  /** Those that the client ended by DELETE, and the registry answered. */
  readonly deleted: Set<string>;
}

/** One request and its answer, in the steps that a fault may spoil. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly random: () => number;
  readonly #client: Socket;
  readonly #target: number;
  readonly #told: Told;

  constructor(request: IncomingMessage, target: number, random: () => number, told: Told) {
    this.request = request;
    this.random = random;
    this.#client = request.socket;
    this.#target = target;
    this.#told = told;
    const { method, url = "" } = request;
    if (method !== "POST" && url.includes("/blobs/uploads/")) told.heard.add(idIn(url));
  }

  /** As if there were no proxy. */
  async pass(): Promise<void> {
    const answer = await this.ask();
    await this.write(this.head(answer));
    for await (const chunk of answer as AsyncIterable<Buffer>) await this.write(chunk);
  }

  /** Sends the request on and gives the head of its answer. `limit`: cut the registry off after so many bytes of the body. */
  async ask(limit = Number.POSITIVE_INFINITY): Promise<IncomingMessage> {
    const { method, url, headers } = this.request;
    if (method === "POST") this.#told.asked++;
    const up = http.request({
      host: "127.0.0.1",
      port: this.#target,
      method,
      path: url,
      headers,
      agent: false,
    });
    const answered = once(up, "response") as Promise<[IncomingMessage]>;
    answered.catch(() => {});
    const gone = (): void => void up.destroy();
    this.#client.once("close", gone);
    up.once("close", () => this.#client.off("close", gone));
    let left = limit;
    for await (const chunk of this.request as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      await new Promise<void>((resolve) => up.write(part, () => resolve()));
      if (left <= 0) break;
    }
    if (left <= 0) up.destroy(new Error("cut"));
    else up.end();
    const [answer] = await answered;
    const { location } = answer.headers;
    const opens = method === "POST" && answer.statusCode === 202 && location !== undefined;
    if (method === "POST" && !opens) this.#told.asked--;
    if (method === "DELETE") this.#told.deleted.add(idIn(url ?? ""));
    return answer;
  }

  /** The head of an answer as bytes; the changes go over the fields that the registry gave. */
  head(answer: IncomingMessage, changes: Readonly<Record<string, string | undefined>> = {}): string {
    const fields: Record<string, unknown> = { ...answer.headers, connection: "keep-alive", ...changes };
    const body = this.request.method !== "HEAD" && answer.statusCode !== 204;
    // Chunked bodies come to us without their frame.
    if (fields["transfer-encoding"] === "chunked" && changes["transfer-encoding"] === undefined) {
      delete fields["transfer-encoding"];
      if (body) fields["connection"] = "close";
    }
    const lines = Object.entries(fields).filter(([, value]) => value !== undefined);
    return [
      `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`,
      ...lines.map(([name, value]) => `${name}: ${String(value)}`),
      "\r\n",
    ].join("\r\n");
  }

  async write(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#client.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Ends the connection; half of the times without a word, else with a reset. */
  cut(): void {
    if (this.random() < 0.5) this.#client.destroy();
    else this.#client.resetAndDestroy();
  }

  /** Ends the connection when all was sent. */
  finish(): void {
    this.#client.end();
  }

  /** Until the client loses its patience. */
  async hold(): Promise<void> {
    if (!this.#client.destroyed) await once(this.#client, "close");
  }

  get gone(): boolean {
    return this.#client.destroyed;
  }

  /** A number of bytes of something with `size`, small ones preferred. */
  some(size: number): number {
    return Math.floor(this.random() ** 2 * size);
  }
}

/** The last part of an upload's path. */
function idIn(location: string): string {
  return new URL(location, "http://x").pathname.split("/").at(-1) ?? "";
}
