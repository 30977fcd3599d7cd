import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { digestOf, hostPlatform, MediaType } from "../../src/oci/index.ts";
import { tarOf } from "../volume/images.ts";

/** A registry that comes to a halt. */
export interface StalledRegistry extends AsyncDisposable {
  /** `HOST:PORT/image:v`: its layer is never sent whole, and what is pushed is never taken whole. */
  readonly reference: string;
  /** When it has given, or taken, a part of a layer, and will do no more. */
  readonly halted: Promise<void>;
}

interface Content {
  readonly bytes: Uint8Array;
  readonly type: string;
}

/** An image of noise, by digest and by its tag. */
function noisyImage(): { readonly layer: Uint8Array; readonly content: ReadonlyMap<string, Content> } {
  const noise = Buffer.from(Uint32Array.from({ length: 1 << 20 }, (_, i) => Math.imul(i, 2654435761)).buffer);
  const tar = tarOf([{ path: "big", body: noise }]);
  const content = new Map<string, Content>();
  const add = (bytes: Uint8Array, mediaType: string): object => {
    const digest = digestOf(bytes);
    content.set(digest, { bytes, type: mediaType });
    return { mediaType, digest, size: bytes.length };
  };
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  const layer = gzipSync(tar, { level: 1 });
  const config = { ...hostPlatform(), config: {}, rootfs: { type: "layers", diff_ids: [digestOf(tar)] } };
  const manifest = json({
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: add(json(config), MediaType.config),
    layers: [add(layer, MediaType.layerGzip)],
  });
  add(manifest, MediaType.manifest);
  content.set("v", { bytes: manifest, type: MediaType.manifest });
  return { layer, content };
}

const { layer, content } = noisyImage();

export async function stalledRegistry(): Promise<StalledRegistry> {
  let halt = (): void => {};
  const halted = new Promise<void>((resolve) => {
    halt = resolve;
  });
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? "";
    if (path.includes("/blobs/uploads/")) {
      if (request.method === "POST" && !path.includes("digest=")) {
        const location = "/v2/image/blobs/uploads/1";
        response.writeHead(202, { location, "content-length": 0 }).end();
      } else request.once("data", () => halt()).on("error", () => {});
      return;
    }
    const found = request.method === "GET" ? content.get(path.split("/").at(-1) ?? "") : undefined;
    if (path === "/v2/" || found === undefined) {
      response.writeHead(path === "/v2/" ? 200 : 404, { "content-length": 0 }).end();
      return;
    }
    const headers = { "content-type": found.type, "content-length": found.bytes.length };
    response.writeHead(200, { ...headers, "docker-content-digest": digestOf(found.bytes) });
    if (found.bytes === layer) response.write(layer.subarray(0, layer.length / 2), halt);
    else response.end(found.bytes);
  };
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    reference: `127.0.0.1:${(server.address() as AddressInfo).port}/image:v`,
    halted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
