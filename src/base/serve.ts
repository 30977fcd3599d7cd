import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import { answer, type Exchange } from "./exchange.ts";
import type { HttpHandler } from "./http.ts";
import { listen } from "./listen.ts";
import { nodeHttp, nodeHttps } from "./node-http.ts";
import type { ServeOptions } from "./serve-options.ts";
import { secureOptions, type TlsPair } from "./tls-files.ts";

/** A server that listens. Dispose: no new connections, answers on their way get `grace`, the rest is cut. */
export interface Listening extends AsyncDisposable {
  /** `http://host:port`, such as a client on this machine would use. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

/** The same, with a certificate that can be changed. */
export interface Serving extends Listening {
  /** New connections get this certificate; those that are there keep theirs. Only for a server that speaks HTTPS. */
  renew(tls: TlsPair): void;
}

/**
 * Answers HTTP requests with `handler`, for clients that name us rightly and are no foreign page.
 * Bodies stream both ways at the pace of the slower side.
 *
 * @throws BaseError `port-in-use`, `listen-failed`
 */
export async function serve(handler: HttpHandler, options: ServeOptions): Promise<Serving> {
  const server = create(options);
  const underway = new Set<Promise<void>>();
  const onRequest = (request: IncomingMessage, response: ServerResponse, waits: boolean): void => {
    const exchange: Exchange = { request, response, waitsForContinue: waits };
    const answered = answer(handler, exchange, options).finally(() => underway.delete(answered));
    underway.add(answered);
  };
  server.on("request", (request, response) => onRequest(request, response, false));
  // "100 Continue" is sent when the handler asks for the body: a refused upload then never starts.
  server.on("checkContinue", (request, response) => onRequest(request, response, true));
  server.on("connection", (socket: Socket) => socket.on("error", () => socket.destroy()));
  const port = await listen(server, options);
  return {
    url: urlOf(options, port),
    host: options.host,
    port,
    renew: (tls) => {
      if ("setSecureContext" in server) server.setSecureContext(secureOptions(tls));
    },
    [Symbol.asyncDispose]: () => close(server, underway, options.grace ?? 3000),
  };
}

function create(options: ServeOptions): Server | HttpsServer {
  const settings = {
    headersTimeout: options.headersTimeout ?? 20_000,
    // Uploads may take hours; a client that stalls in the middle is found by the idle timeout instead.
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 2000,
    noDelay: true,
  };
  if (options.tls === undefined) return nodeHttp().createServer(settings);
  const asksClients = options.tls.clientCa !== undefined;
  return nodeHttps().createServer({
    ...settings,
    ...secureOptions(options.tls),
    // Handshakes that never end would otherwise stay for two minutes.
    handshakeTimeout: settings.headersTimeout,
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
  });
}

function urlOf({ host, tls }: ServeOptions, port: number): string {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${tls ? "https" : "http"}://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

async function close(server: Server, underway: Set<Promise<void>>, grace: number): Promise<void> {
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
