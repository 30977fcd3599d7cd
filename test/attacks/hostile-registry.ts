import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { collect, quietCall } from "../../src/base/index.ts";
import { digestOf, isDigest, type Store } from "../../src/oci/index.ts";

/** One way of a registry to answer a GET wrongly. `good` is what it should have said. */
type Fault = (response: ServerResponse, good: Buffer, type: string, elsewhere: string) => void;

const BYTES = (good: Buffer): object => ({ "content-length": good.length });
const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (response) =>
    response.writeHead(code, headers).end("no");

function flipped(good: Buffer): Buffer {
  const out = Buffer.from(good);
  out[out.length >> 1] = (out[out.length >> 1] ?? 0) ^ 1;
  return out;
}

/** All that a registry may do wrong, by name. */
export const faults: Readonly<Record<string, Fault>> = {
  "another content": (r, good, type) =>
    r.writeHead(200, { "content-type": type, ...BYTES(good) }).end(flipped(good)),
  "another content with its digest": (r, good, type) => {
    const bad = flipped(good);
    r.writeHead(200, { "content-type": type, "docker-content-digest": digestOf(bad), ...BYTES(bad) }).end(
      bad,
    );
  },
  "too little": (r, good, type) =>
    r.writeHead(200, { "content-type": type }).end(good.subarray(0, good.length / 2)),
  "too much": (r, good, type) => r.writeHead(200, { "content-type": type }).end(Buffer.concat([good, good])),
  "a wrong length": (r, good, type) =>
    r
      .writeHead(200, { "content-type": type, "content-length": good.length * 3 })
      .end(Buffer.concat([good, good, good])),
  "an empty body": (r, _good, type) => r.writeHead(200, { "content-type": type, "content-length": 0 }).end(),
  "cut in the middle": (r, good, type) => {
    r.writeHead(200, { "content-type": type, ...BYTES(good) });
    r.write(good.subarray(0, good.length / 2), () => r.destroy());
  },
  "cut at once": (r) => r.destroy(),
  silence: () => {},
  "silence in the middle": (r, good, type) => {
    r.writeHead(200, { "content-type": type, ...BYTES(good) });
    r.write(good.subarray(0, good.length / 2));
  },
  "without an end": (r, good, type) => {
    r.writeHead(200, { "content-type": type });
    // A HEAD has no body: whatever is written of it counts as sent.
    if (r.req.method === "HEAD") return void r.end();
    const more = (): void => {
      while (!r.destroyed && r.write(Buffer.alloc(65536, good)));
    };
    r.on("drain", more);
    more();
  },
  html: status(200, { "content-type": "text/html" }),
  "a digest that is none": (r, good, type) =>
    r
      .writeHead(200, { "content-type": type, "docker-content-digest": "sha256:../../x", ...BYTES(good) })
      .end(good),
  "a content type of 10 kB": (r, good) =>
    r.writeHead(200, { "content-type": "x".repeat(10_000), ...BYTES(good) }).end(good),
  "headers without an end": (r) => {
    r.socket?.write(`HTTP/1.1 200 OK\r\n${"x-more: y\r\n".repeat(20_000)}`);
  },
  "no HTTP": (r) => r.socket?.end("SSH-2.0-OpenSSH_9.6\r\n"),
  "a redirect elsewhere": (r, _good, _type, elsewhere) => r.writeHead(307, { location: elsewhere }).end(),
  "a redirect to itself": (r) => r.writeHead(307, { location: r.req.url ?? "" }).end(),
  "a redirect to a file": status(302, { location: "file:///etc/passwd" }),
  "a redirect to nowhere": status(302, { location: "http://127.0.0.1:9/x" }),
  "a redirect without a place": status(307),
  "a redirect that is no URL": status(308, { location: "http://[" }),
  "401": status(401),
  "401, Basic": status(401, { "www-authenticate": 'Basic realm="x"' }),
  "401, a realm elsewhere": (r, _good, _type, elsewhere) =>
    r.writeHead(401, { "www-authenticate": `Bearer realm="${elsewhere}",service="x"` }).end(),
  "401, a realm that is a file": status(401, { "www-authenticate": 'Bearer realm="file:///etc/passwd"' }),
  "401, nonsense": status(401, { "www-authenticate": 'Bearer realm=",,=",' }),
  "403": status(403),
  "404": status(404),
  "416": status(416),
  "418": status(418),
  "429": status(429),
  "429, at once": status(429, { "retry-after": "0" }),
  "429, in a year": status(429, { "retry-after": "31536000" }),
  "429, nonsense": status(429, { "retry-after": "soon" }),
  "500": status(500),
  "502, html": status(502, { "content-type": "text/html" }),
  "503": status(503),
  "206 that nobody asked for": (r, good, type) =>
    r
      .writeHead(206, { "content-type": type, "content-range": `bytes 5-${good.length}/*` })
      .end(good.subarray(5)),
  "204": status(204),
};

/** Which request is answered wrongly, how, and how often: after that it is answered well. */
export interface Plan {
  readonly on: "manifests" | "blobs";
  /** The how-manieth request of this kind is the first. */
  readonly from: number;
  readonly times: number;
  readonly fault: Fault;
}

export interface HostileRegistry extends AsyncDisposable {
  /** `HOST:PORT` */
  readonly registry: string;
  plan: Plan | undefined;
}

/** Serves a store's `v`, with the plan's faults. `elsewhere` is where redirects lead. */
export async function hostileRegistry(store: Store, elsewhere: string): Promise<HostileRegistry> {
  const call = quietCall();
  let plan: Plan | undefined;
  let seen = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, kind = "", name = ""] = /^\/v2\/image\/(manifests|blobs)\/(.*)$/.exec(request.url ?? "") ?? [];
    if (request.url === "/v2/") return void response.writeHead(200).end("{}");
    const wanted = kind === "manifests" ? await store.resolve(name, call).catch(() => undefined) : undefined;
    const descriptor =
      wanted ??
      (isDigest(name) ? { mediaType: "application/octet-stream", digest: name, size: 1 << 20 } : undefined);
    if (descriptor === undefined) return void response.writeHead(404).end();
    const good = Buffer.from(
      await collect(
        store.read(wanted ?? (await store.resolve(descriptor.digest, call)), call),
        1 << 24,
        "content",
      ),
    );
    if (plan?.on === kind && seen++ >= plan.from && seen <= plan.from + plan.times) {
      return plan.fault(response, good, descriptor.mediaType, elsewhere);
    }
    const headers = { "content-type": descriptor.mediaType, "docker-content-digest": descriptor.digest };
    response.writeHead(200, { ...headers, "content-length": good.length });
    response.end(request.method === "HEAD" ? undefined : good);
  };
  const server = createServer((request, response) => {
    response.on("error", () => {});
    answer(request, response).catch(() => response.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    registry: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    set plan(next: Plan | undefined) {
      plan = next;
      seen = 0;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
