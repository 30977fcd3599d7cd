import type { IncomingMessage, ServerResponse } from "node:http";
import { BaseError, isAbort } from "./errors.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "./http.ts";
import { requestBody } from "./request-body.ts";
import { admit, admitHost, hostName, isNavigation } from "./same-origin.ts";
import type { ServeOptions } from "./serve-options.ts";

const SMALL = 64 * 1024;

/** One request of Node.js and its response. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client sends its body only after a "100 Continue", which it has not got yet. */
  waitsForContinue: boolean;
}

/** Carries one request to the handler and its answer back. Never throws. */
export async function answer(handler: HttpHandler, exchange: Exchange, options: ServeOptions): Promise<void> {
  const { request, response } = exchange;
  const gone = new AbortController();
  response.on("close", () => {
    if (!response.writableFinished) gone.abort(new BaseError("aborted", "the client went away"));
  });
  // Without a listener, an error of a connection that is already cut would end the process.
  response.on("error", () => {});
  request.on("error", () => {});
  try {
    await send(await reply(handler, exchange, gone.signal, options), exchange, gone.signal, options);
  } catch (error) {
    // The status has been sent: only a cut connection still tells the client that the body is not whole.
    if (!gone.signal.aborted && !isAbort(error)) options.onError?.(error, nameOf(request));
    response.destroy();
  }
}

/** The handler's answer, or the one to who may not ask or to a failure: `around` sees them all. */
async function reply(
  handler: HttpHandler,
  exchange: Exchange,
  signal: AbortSignal,
  options: ServeOptions,
): Promise<HttpResponse> {
  const errorResponse = options.errorResponse ?? jsonError;
  const asked = recordOf(exchange, signal, options);
  const next: HttpHandler = async (request) => {
    try {
      check(asked, exchange, options);
      return await handler(request);
    } catch (error) {
      if (error instanceof BaseError && error.code === "host-refused") return errorResponse(421, error);
      if (error instanceof BaseError && error.code === "origin-refused") return errorResponse(403, error);
      if (!signal.aborted && !isAbort(error)) options.onError?.(error, nameOf(exchange.request));
      return errorResponse(500, undefined);
    }
  };
  return await (options.around === undefined ? next(asked) : options.around(asked, next));
}

function recordOf(exchange: Exchange, signal: AbortSignal, options: ServeOptions): HttpRequest {
  const { request } = exchange;
  const headers = new Map<string, string>();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (values !== undefined) headers.set(name, values.join(", "));
  }
  const target = /^(?:https?:\/\/([^/?#]*))?([^?]*)(?:\?(.*))?$/is.exec(request.url ?? "");
  // RFC 9112, section 3.2.2: the host of a target in absolute form overrides Host.
  if (target?.[1] !== undefined) headers.set("host", target[1]);
  return {
    method: (request.method ?? "GET").toUpperCase(),
    path: target?.[2] || "/",
    query: new URLSearchParams(target?.[3] ?? ""),
    headers,
    body: bodyOf(exchange, options.idleTimeout ?? 60_000),
    signal,
    address: plainAddress(request.socket.remoteAddress),
  };
}

/** @throws BaseError `host-refused`, `origin-refused` */
function check({ method, headers }: HttpRequest, { request }: Exchange, options: ServeOptions): void {
  const hosts = new Set((options.allowHosts ?? []).map((host) => hostName(host) ?? host.toLowerCase()));
  hosts.add(options.host.toLowerCase());
  const local = plainAddress(request.socket.localAddress);
  if (local !== undefined) hosts.add(local);
  if (options.linked === true && (method === "GET" || method === "HEAD") && isNavigation(headers)) {
    admitHost(headers.get("host"), hosts);
  } else {
    admit(headers, headers.get("host"), options.tls ? "https" : "http", {
      hosts,
      origins: new Set(options.allowOrigins),
    });
  }
}

/** An IPv4 address as such, though it came over a socket that speaks both. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:/, "");
}

async function* bodyOf(exchange: Exchange, idle: number): AsyncGenerator<Uint8Array> {
  if (exchange.waitsForContinue) exchange.response.writeContinue();
  exchange.waitsForContinue = false;
  yield* requestBody(exchange.request, idle);
}

async function send(
  reply: HttpResponse,
  exchange: Exchange,
  signal: AbortSignal,
  options: ServeOptions,
): Promise<void> {
  const { request, response } = exchange;
  const { status, body } = reply;
  const headers = { ...reply.headers };
  const lengthGiven = Object.keys(headers).some((name) => name.toLowerCase() === "content-length");
  const bodiless = request.method === "HEAD" || status === 204 || status === 304;
  // What has no body here may have one elsewhere (RFC 9110, section 8.6): then only the handler knows its length.
  const length = body instanceof Uint8Array ? body.length : body === undefined && !bodiless ? 0 : undefined;
  if (!lengthGiven && length !== undefined && status !== 204) headers["content-length"] = String(length);
  // What is left of a small body is read quickly; more is not worth keeping the connection for.
  const unread = !request.complete && (exchange.waitsForContinue || remaining(request) > SMALL);
  if (unread) headers["connection"] = "close";
  response.writeHead(status, headers);
  if (bodiless) {
    if (body !== undefined && !(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().return?.();
  } else if (body !== undefined) {
    // A body shorter than its Content-Length is an error here, and not a client that waits for ever.
    response.strictContentLength = lengthGiven;
    const chunks = body instanceof Uint8Array ? [body] : body;
    for await (const chunk of chunks) await write(exchange, chunk, signal, options.idleTimeout ?? 60_000);
  } else {
    response.flushHeaders();
  }
  if (!request.complete && !exchange.waitsForContinue) await linger(request);
  // A response that is closed already tells of no end.
  signal.throwIfAborted();
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.end(resolve);
  });
}

/** Done when the chunk has left: its source may use the buffer again. */
async function write(
  { response, request }: Exchange,
  chunk: Uint8Array,
  signal: AbortSignal,
  idle: number,
): Promise<void> {
  signal.throwIfAborted();
  if (chunk.length === 0) return;
  request.socket.setTimeout(idle);
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      response.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
    request.socket.setTimeout(0);
  }
}

/** How many bytes of body a request announces; infinite for a stream. */
function remaining({ headers }: IncomingMessage): number {
  if (headers["transfer-encoding"] !== undefined) return Number.POSITIVE_INFINITY;
  return Number(headers["content-length"] ?? 0);
}

/**
 * Takes what the client is still sending, a little while: a connection closed over unread bytes is reset, and the
 * client may lose the answer that says why (RFC 9112, section 9.6).
 */
async function linger(request: IncomingMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 1000);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    let left = 8 * 1024 * 1024;
    request.on("data", (chunk: Uint8Array) => {
      left -= chunk.length;
      if (left < 0) done();
    });
    request.once("end", done);
    request.once("close", done);
    // A reader that left early has paused it.
    request.resume();
  });
}

function nameOf(request: IncomingMessage): { method: string; path: string } {
  return { method: request.method ?? "", path: (request.url ?? "").split("?")[0] ?? "" };
}

function jsonError(status: number, error: BaseError | undefined): HttpResponse {
  const told = error ?? { code: "internal", message: "the server failed to answer", hint: undefined };
  const words = { code: told.code, message: told.message, ...(told.hint ? { hint: told.hint } : {}) };
  return {
    status,
    headers: { "content-type": "application/json" },
    body: Buffer.from(`${JSON.stringify(words)}\n`),
  };
}
