import type { ClientRequest, IncomingMessage } from "node:http";
import type { Call } from "./call.ts";
import { BaseError } from "./errors.ts";
import { IdleTimer } from "./idle.ts";
import { type Network, processNetwork } from "./network.ts";
import { release } from "./release.ts";
import { describeFailure } from "./request-failure.ts";
import { type Body, Sending } from "./request-sending.ts";

export interface RequestOptions {
  /** In upper case. */
  readonly method: string;
  /** `http:` or `https:`. A user and password in it are ignored. */
  readonly url: URL;
  /** Names in lower case. A streamed body is sent chunked unless `content-length` is given. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is read at most once, a chunk at a time, and its `return` is called where it is not read to its end. */
  readonly body?: Body;
  /** The longest wait, in milliseconds, for the peer to take or give the next bytes (1 KiB of a body). Default 60 s. */
  readonly idleTimeout?: number | undefined;
  /** Refuse to connect to an address that is not of the public internet. */
  readonly publicOnly?: boolean;
  /** Default: the process's. */
  readonly network?: Network | undefined;
}

export interface Response {
  readonly status: number;
  /** Names in lower case; repeated fields joined with ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * To be read once, or given to {@link discard}: until then its connection is taken. A chunk is the reader's only until
   * it asks for the next.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Whose answer this is: after redirects, the last URL. */
  readonly url: URL;
  /** The address that was connected to, where there was no proxy between. */
  readonly peer: string | undefined;
}

const IDLE_TIMEOUT = 60_000;
const STALE_RETRIES = 2;

/**
 * One HTTP/1.1 request. Redirects are answers like any other. An answer of 300 or above that comes while the body is
 * still being sent ends the sending; after one below 300 it goes on, and the answer counts once all was sent.
 *
 * @throws BaseError `connection-failed`, `tls-failed`, `timeout`, `too-large` (headers), `redirect-refused` (see
 *   `publicOnly`); what `body` throws, as it is; the signal's reason. The response's body throws the same, and
 *   `connection-failed` where it ends short.
 */
export async function request(options: RequestOptions, call: Call): Promise<Response> {
  for (let stale = 0; ; stale++) {
    call.signal.throwIfAborted();
    const exchange = new Exchange(options, call);
    try {
      return await exchange.run();
    } catch (error) {
      // A kept-alive connection that the peer closed just now says nothing about the peer.
      if (!exchange.stale || stale === STALE_RETRIES || !isReplayable(options.body)) throw error;
    }
  }
}

function isReplayable(body: Body): boolean {
  return body === undefined || body instanceof Uint8Array;
}

/** Reads what is left of a small answer, so that its connection can serve again; closes the connection of a large one. */
export async function discard(response: Response): Promise<void> {
  let left = 64 * 1024;
  try {
    for await (const chunk of response.body) {
      left -= chunk.length;
      if (left < 0) return;
    }
  } catch {
    // Nobody wants this answer.
  }
}

interface Settle {
  resolve(response: IncomingMessage): void;
  reject(reason: unknown): void;
}

/** A request on its way, until its answer has been read. */
class Exchange {
  readonly #options: RequestOptions;
  readonly #call: Call;
  readonly #request: ClientRequest;
  readonly #direct: boolean;
  readonly #idle: IdleTimer;
  readonly #sending: Sending;
  readonly #answer: Promise<IncomingMessage>;
  #settle: Settle = { resolve() {}, reject() {} };
  #failure: unknown;
  #response: IncomingMessage | undefined;

  constructor(options: RequestOptions, call: Call) {
    this.#options = options;
    this.#call = call;
    this.#answer = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const { url, method } = options;
    const route = (options.network ?? processNetwork()).route(url, options.publicOnly ?? false);
    const headers = { ...route.connection.headers, ...options.headers, ...lengthOf(options.body) };
    const timeout = options.idleTimeout ?? IDLE_TIMEOUT;
    this.#direct = route.direct;
    this.#request = route.send({ ...route.connection, method, headers });
    this.#idle = new IdleTimer(timeout, () => this.#fail(timedOut(method, url, timeout)));
    this.#sending = new Sending(this.#request, this.#idle, options.headers?.["content-length"]);
    this.#request.on("response", (response) => this.#answered(response));
    this.#request.on("error", (error) => this.#fail(error));
    this.#request.on("close", () => this.#closed());
    call.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Whether this failed on a connection of an earlier request, before any answer. */
  get stale(): boolean {
    return (
      this.#request.reusedSocket &&
      this.#response === undefined &&
      !this.#idle.expired &&
      !this.#call.signal.aborted
    );
  }

  async run(): Promise<Response> {
    const { body, url } = this.#options;
    const sending = this.#sending.send(body).catch((error: unknown) => this.#fail(error));
    try {
      const response = await this.#answer;
      await sending;
      if (this.#failure !== undefined) throw this.#failure;
      const refused = (response.statusCode ?? 0) >= 300;
      if (!refused && !this.#sending.complete) this.#fail(notTaken(url));
      if (this.#failure !== undefined) throw this.#failure;
      return this.#respond(response);
    } catch {
      this.#sending.stop();
      await sending;
      throw describeFailure(this.#failure, url);
    }
  }

  #answered(response: IncomingMessage): void {
    this.#response = response;
    // Without a listener Node.js would drop the reason why a body ended short.
    response.on("error", () => {});
    if ((response.statusCode ?? 0) >= 300) this.#sending.stop();
    this.#settle.resolve(response);
  }

  #respond(response: IncomingMessage): Response {
    const status = response.statusCode ?? 0;
    const headers = new Map<string, string>();
    for (const [name, value] of Object.entries(response.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
    }
    const { method, url } = this.#options;
    const empty =
      method === "HEAD" || status === 204 || status === 304 || headers.get("content-length") === "0";
    this.#idle.rest();
    if (empty) {
      response.resume();
      this.#abandonUnsent();
    }
    const peer = this.#direct ? response.socket.remoteAddress : undefined;
    return { status, headers, url, peer, body: empty ? nothing() : this.#read(response) };
  }

  async *#read(response: IncomingMessage): AsyncIterable<Uint8Array> {
    try {
      this.#idle.wait();
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        this.#idle.rest(chunk.length);
        yield chunk;
        release(chunk);
        this.#idle.wait();
      }
      if (this.#failure !== undefined) throw this.#failure;
    } catch (error) {
      throw describeFailure(this.#failure ?? error, this.#options.url);
    } finally {
      this.#idle.rest();
      if (!response.complete) this.#request.destroy();
      this.#abandonUnsent();
    }
  }

  /** The rest of an unsent body would make the next request on this connection unreadable. */
  #abandonUnsent(): void {
    if (!this.#request.writableEnded) this.#request.destroy();
  }

  readonly #onAbort = (): void => this.#fail(this.#call.signal.reason);

  #fail(reason: unknown): void {
    this.#failure ??= reason ?? new Error("cancelled");
    this.#sending.stop();
    this.#settle.reject(this.#failure);
    this.#response?.destroy(this.#failure instanceof Error ? this.#failure : undefined);
    this.#request.destroy();
  }

  #closed(): void {
    this.#idle.stop();
    this.#call.signal.removeEventListener("abort", this.#onAbort);
    if (this.#response === undefined) this.#fail(new Error("the connection was closed without an answer"));
    else this.#sending.stop();
  }
}

function lengthOf(body: Body): Record<string, string> {
  return body instanceof Uint8Array ? { "content-length": `${body.length}` } : {};
}

async function* nothing(): AsyncIterable<Uint8Array> {}

function timedOut(method: string, url: URL, timeout: number): BaseError {
  return new BaseError("timeout", `${method} ${url.host}: nothing happened for ${timeout / 1000} s`, {
    hint: "check the connection and try again",
  });
}

/** A server that says yes, and goes, before it has heard all: its yes was to something else. */
function notTaken(url: URL): BaseError {
  return new BaseError(
    "connection-failed",
    `${url.host} closed the connection before it had taken everything`,
    {
      hint: "try again",
    },
  );
}
