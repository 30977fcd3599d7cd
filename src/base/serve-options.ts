import type { BaseError } from "./errors.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "./http.ts";
import type { TlsPair } from "./tls-files.ts";

/** How {@link serve} listens, and for whom. */
export interface ServeOptions {
  /** The address to listen on; a name is resolved. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** The flag that changes the address, for the hint of `port-in-use`. */
  readonly flag?: string;
  /** Names, beside the loopback ones and `host`, under which clients reach this server. */
  readonly allowHosts?: readonly string[];
  /** Origins whose pages may call; answering their CORS preflight is the handler's part. */
  readonly allowOrigins?: readonly string[];
  /** Pages elsewhere may link here: a navigation of the browser (GET, to a whole page) passes the check of its origin. */
  readonly linked?: boolean;
  /** Speak HTTPS. */
  readonly tls?: TlsPair;
  /** Sees every exchange, those that are refused too: for logs and measures. */
  readonly around?: (request: HttpRequest, next: HttpHandler) => Promise<HttpResponse>;
  /** How long a client may take to send the next bytes of a body, or to take ours, in ms. Default 60,000. */
  readonly idleTimeout?: number;
  /** How long the headers of a request may take, in ms. Default 20,000. */
  readonly headersTimeout?: number;
  /** How long dispose waits for answers on their way before it cuts them, in ms. Default 3,000. */
  readonly grace?: number;
  /** Words an error for this server's clients: refusals (`host-refused`, `origin-refused`), or undefined for a failure of the handler. */
  readonly errorResponse?: (status: number, error: BaseError | undefined) => HttpResponse;
  /** Told of what the handler threw; the client is not. */
  readonly onError?: (error: unknown, request: { readonly method: string; readonly path: string }) => void;
}
