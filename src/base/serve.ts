import * as plain from "node:http";
import * as secure from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { CHUNK } from "./bytes.ts";
import { BaseError, errno, messageOf } from "./errors.ts";
import { answer, type Exchange } from "./exchange.ts";
import type { HttpHandler } from "./http.ts";
import { portHolder } from "./port-holder.ts";
import type { ServeOptions } from "./serve-options.ts";

/** A server that listens. Dispose: no new connections, answers on their way get `grace`, the rest is cut. */
export interface Listening extends AsyncDisposable {
  /** `http://host:port`, such as a client on this machine would use. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Answers HTTP requests with `handler`, for clients that name us rightly and are no foreign page.
 * Bodies stream both ways at the pace of the slower side.
 *
 * @throws BaseError `port-in-use`, `listen-failed`
 */
export async function serve(handler: HttpHandler, options: ServeOptions): Promise<Listening> {
  const server = create(options);
  const underway = new Set<Promise<void>>();
  const onRequest = (
    request: plain.IncomingMessage,
    response: plain.ServerResponse,
    waits: boolean,
  ): void => {
    const exchange: Exchange = { request, response, waitsForContinue: waits };
    const answered = answer(handler, exchange, options).finally(() => underway.delete(answered));
    underway.add(answered);
  };
  server.on("request", (request, response) => onRequest(request, response, false));
  // "100 Continue" is sent when the handler asks for the body: a refused upload then never starts.
  server.on("checkContinue", (request, response) => onRequest(request, response, true));
  server.on("connection", (socket: Socket) => socket.on("error", () => socket.destroy()));
  await listen(server, options);
  const address = server.address() as AddressInfo;
  return {
    url: urlOf(options, address.port),
    host: options.host,
    port: address.port,
    [Symbol.asyncDispose]: () => close(server, underway, options.grace ?? 3000),
  };
}

function create(options: ServeOptions): plain.Server {
  const settings = {
    headersTimeout: options.headersTimeout ?? 20_000,
    // Uploads may take hours; a client that stalls in the middle is found by the idle timeout instead.
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 2000,
    noDelay: true,
    // Bodies of gigabytes in pieces of 64 KiB spend their time between the pieces.
    highWaterMark: CHUNK,
  };
  if (options.tls === undefined) return plain.createServer(settings);
  const { cert, key } = options.tls;
  return secure.createServer({ ...settings, cert: Buffer.from(cert), key: Buffer.from(key) });
}

async function listen(server: plain.Server, { host, port, flag }: ServeOptions): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, exclusive: true }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    const change = flag === undefined ? "choose another port" : `choose another with ${flag}`;
    if (errno(error) !== "EADDRINUSE") {
      throw new BaseError("listen-failed", `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
        cause: error,
        hint: errno(error) === "EACCES" ? `ports below 1024 are for root: ${change}` : change,
      });
    }
    const holder = await portHolder(port);
    throw new BaseError("port-in-use", `port ${port} on ${host} is in use${holder ? ` by ${holder}` : ""}`, {
      cause: error,
      hint: `${change} (0 takes any free one), or end the process that holds it`,
    });
  }
}

function urlOf({ host, tls }: ServeOptions, port: number): string {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${tls ? "https" : "http"}://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

async function close(server: plain.Server, underway: Set<Promise<void>>, grace: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), grace);
  // A connection whose answer ends now stays open for the next request, that we no longer take.
  await Promise.race([Promise.allSettled(underway), closed]);
  server.closeIdleConnections();
  await closed;
  clearTimeout(timer);
  // The handlers of cut connections have been told by their signal: they put their things in order before we return.
  await Promise.allSettled(underway);
}
