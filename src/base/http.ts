/**
 * The records that every HTTP handler of imgvol takes and gives: registry, webhook, OTLP and dashboard are
 * `(HttpRequest) -> HttpResponse`, so that tests need no port.
 */
export interface HttpRequest {
  /** In upper case. */
  readonly method: string;
  /** The path as sent, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case; repeated fields joined with ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * To be read at most once. A chunk is the reader's only until it asks for the next: its memory is then taken back. What
   * reads ahead or works on other threads (a stream of Node.js does both) needs copies.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** The client's IP address; undefined where there is no connection. */
  readonly address?: string | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined for an empty body. */
  readonly body?: AsyncIterable<Uint8Array> | Uint8Array | undefined;
  /** Who asked, where the handler made sure of it. For logs; never sent. */
  readonly user?: string | undefined;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;
