import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type ByteSource, Network } from "../../src/base/index.ts";
import { digestOf, MediaType, type Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { someBytes } from "../contract/store.ts";
import { refuse, reply } from "./peer.ts";

/** What is uploaded in the tests, in one descriptor and a source of small pieces that a connection can be cut between. */
export const bytes: Uint8Array = someBytes(400_000);
export const blob = { mediaType: MediaType.layerTar, digest: digestOf(bytes), size: bytes.length };

export function source(sized: boolean, content: Uint8Array = bytes): ByteSource {
  return {
    ...(sized ? { size: content.length } : {}),
    async *open(offset) {
      for (let at = offset; at < content.length; at += 10_000) yield content.subarray(at, at + 10_000);
    },
  };
}

/** What a registry has of one upload. */
export interface Upload {
  bytes: Buffer;
}

/** One answer to one request. */
export type Step = (
  request: IncomingMessage,
  response: ServerResponse,
  upload: Upload,
  registry: UploadRegistry,
) => void | Promise<void>;

/** How a registry misbehaves: by method, what it does with the first requests; after them it is a good one. */
export type Misbehaviour = Readonly<
  Partial<Record<"POST" | "PATCH" | "PUT" | "GET" | "HEAD", readonly Step[]>>
>;

export interface UploadRegistry extends AsyncDisposable {
  /** `METHOD path content-range`, in order; the number in the path is the upload's. */
  readonly log: string[];
  readonly blobs: Map<string, Buffer>;
  /** Uploads that were begun and not ended. */
  readonly open: Map<string, Upload>;
  /** The blobs that other repositories have: mounted without asking from which. */
  readonly elsewhere: Set<string>;
  store(options?: RemoteOptions, repository?: string): Store;
}

/** A registry that keeps uploads, but misbehaves first as a table says. */
export async function uploadRegistry(wrong: Misbehaviour = {}): Promise<UploadRegistry> {
  const nth = new Map<string, number>();
  let begun = 0;
  const usual: Record<string, Step> = {
    POST(request, response) {
      const mount = new URL(request.url ?? "", "http://x").searchParams.get("mount") ?? "";
      if (registry.elsewhere.has(mount)) return reply(response, 201);
      registry.open.set(`${++begun}`, { bytes: Buffer.alloc(0) });
      reply(response, 202, { location: `/up/${begun}` });
    },
    async PATCH(request, response, upload) {
      const range = /^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1];
      if (range !== undefined && Number(range) !== upload.bytes.length) return reply(response, 416);
      await take(request, upload);
      reply(response, 202, { location: request.url ?? "", range: `0-${upload.bytes.length - 1}` });
    },
    GET: (request, response, upload) =>
      reply(response, 204, {
        location: request.url ?? "",
        range: `0-${Math.max(0, upload.bytes.length - 1)}`,
      }),
    async PUT(request, response, upload) {
      await take(request, upload);
      const url = new URL(request.url ?? "", "http://x");
      const digest = url.searchParams.get("digest") ?? "";
      if (digestOf(upload.bytes) !== digest) return refuse(response, 400, "DIGEST_INVALID");
      registry.blobs.set(digest, upload.bytes);
      registry.open.delete(url.pathname.slice(4));
      reply(response, 201);
    },
    DELETE: (request, response) =>
      reply(response, registry.open.delete(request.url?.slice(4) ?? "") ? 204 : 404),
    HEAD: (request, response) =>
      reply(response, registry.blobs.has(request.url?.split("/").at(-1) ?? "") ? 200 : 404),
  };
  const server = http.createServer(async (request, response) => {
    const { method = "", url = "" } = request;
    const [path = "", query = ""] = url.replace("/v2/a/b/blobs/", "").split("?");
    const mount = query.startsWith("mount=") ? "mount" : undefined;
    const words = [method, path.replace(/sha(256|512):.*/, "blob"), mount, request.headers["content-range"]];
    registry.log.push(words.filter(Boolean).join(" "));
    const n = nth.get(method) ?? 0;
    nth.set(method, n + 1);
    const upload = registry.open.get(path.slice(4));
    if (path.startsWith("/up/") && upload === undefined) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
    const step = wrong[method as keyof Misbehaviour]?.[n] ?? usual[method];
    await step?.(request, response, upload ?? { bytes: Buffer.alloc(0) }, registry);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const network = new Network({ env: {} });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const usually = { network, retry: { attempts: 3, delay: 1 }, idleTimeout: 5_000 };
  const registry: UploadRegistry = {
    log: [],
    blobs: new Map(),
    open: new Map(),
    elsewhere: new Set(),
    store: (options, repository = "a/b") =>
      openRemote({ registry: host, repository }, { ...usually, ...options }),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return registry;
}

/** Keeps what arrives of the body, up to `limit` bytes. */
async function take(
  request: IncomingMessage,
  upload: Upload,
  limit = Number.POSITIVE_INFINITY,
): Promise<void> {
  let left = limit;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      upload.bytes = Buffer.concat([upload.bytes, chunk.subarray(0, left)]);
      left -= chunk.length;
      if (left <= 0) return;
    }
  } catch {
    // The client went away; what came is kept.
  }
}

// --- steps

/** Takes so many bytes, then cuts the connection. */
export const cutAfter =
  (n: number): Step =>
  async (request, _response, upload) => {
    const { socket } = request;
    await take(request, upload, n);
    socket.destroy();
  };

/** Takes so many bytes, and says yes to all. */
export const losing =
  (n: number): Step =>
  async (request, response, upload) => {
    await take(request, { bytes: upload.bytes });
    upload.bytes = Buffer.concat([
      upload.bytes,
      bytes.subarray(upload.bytes.length, upload.bytes.length + n),
    ]);
    reply(response, 202, { location: request.url ?? "", range: `0-${upload.bytes.length - 1}` });
  };

/** Reads the body, keeps nothing, answers. */
export const status =
  (code: number, headers: Record<string, string> = {}, error?: string, message?: string): Step =>
  async (request, response, upload) => {
    await take(request, { bytes: upload.bytes });
    if (error === undefined) reply(response, code, headers);
    else refuse(response, code, error, message);
  };

/** Answers before the body was sent. */
export const early =
  (code: number, headers: Record<string, string> = {}): Step =>
  (_request, response) =>
    reply(response, code, { ...headers, connection: "close" });

/** Says where the upload stands, or something else. */
export const says =
  (headers: Record<string, string>): Step =>
  (_request, response) =>
    reply(response, 204, headers);

/** As a good registry, with more headers in the answer. */
export const begins =
  (headers: Record<string, string>): Step =>
  (_request, response, _upload, registry) => {
    registry.open.set("1", { bytes: Buffer.alloc(0) });
    reply(response, 202, { location: "/up/1", ...headers });
  };

/** Refuses bodies of more than so many bytes, as proxies do, and takes others. */
export const atMost =
  (limit: number, code = 413): Step =>
  async (request, response, upload) => {
    const body = { bytes: Buffer.alloc(0) };
    await take(request, body);
    if (body.bytes.length > limit) {
      const message = `the request body is too large and exceeds the maximum permissible limit of ${limit}`;
      return refuse(response, code, "SIZE_INVALID", message);
    }
    upload.bytes = Buffer.concat([upload.bytes, body.bytes]);
    reply(response, 202, { location: request.url ?? "", range: `0-${upload.bytes.length - 1}` });
  };
