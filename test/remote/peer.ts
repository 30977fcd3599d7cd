import { once } from "node:events";
import http, { type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Network } from "../../src/base/index.ts";
import type { Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";

/** A request as a registry saw it. */
export interface Seen {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Peer extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
  readonly seen: Seen[];
  open(options?: RemoteOptions): Store;
  readonly options: RemoteOptions;
}

export type Behaviour = (seen: Seen, response: ServerResponse, socket: Socket) => void;

/** A registry that behaves as a test wants it to. */
export async function peer(behave: Behaviour, address = "127.0.0.1"): Promise<Peer> {
  const seen: Seen[] = [];
  const network = new Network({ env: {} });
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // The client went away.
    }
    const { method = "", url = "", headers, socket } = request;
    const one = { method, path: url, headers, body: Buffer.concat(chunks) };
    seen.push(one);
    behave(one, response, socket);
  });
  server.listen(0, address);
  await once(server, "listening");
  const host = `${address}:${(server.address() as AddressInfo).port}`;
  const options = { network, retry: { attempts: 4, delay: 1 }, idleTimeout: 5_000 };
  return {
    host,
    url: `http://${host}`,
    seen,
    options,
    open: (more = {}) => openRemote({ registry: host, repository: "a/b" }, { ...options, ...more }),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Answers with a status, headers and a body. */
export function reply(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = "",
): void {
  response.writeHead(status, headers);
  response.end(body);
}

/** An error as registries write it. */
export function refuse(response: ServerResponse, status: number, code: string, message = "no"): void {
  const body = JSON.stringify({ errors: [{ code, message, detail: {} }] });
  reply(response, status, { "content-type": "application/json" }, body);
}
