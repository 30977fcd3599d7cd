import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collect, type HttpRequest, temporaryFolder } from "../../src/base/index.ts";
import { type Digest, MediaType } from "../../src/oci/index.ts";
import {
  folderBacking,
  memoryBacking,
  type RegistryHandler,
  type RegistryOptions,
  registryHandler,
} from "../../src/registry/index.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The codes of an OCI error body. */
  readonly errors: readonly string[];
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** One exchange with a handler, without a port. */
export async function exchange(
  { handle }: RegistryHandler,
  method: string,
  target: string,
  sent: Sent = {},
): Promise<Answer> {
  const [path = "", query = ""] = target.split("?");
  const bytes = typeof sent.body === "string" ? Buffer.from(sent.body) : sent.body;
  const length = bytes instanceof Uint8Array ? { "content-length": String(bytes.length) } : {};
  const request: HttpRequest = {
    method,
    path,
    query: new URLSearchParams(query),
    headers: new Map(Object.entries({ ...length, ...sent.headers })),
    body: bytes instanceof Uint8Array ? chunked(bytes) : (bytes ?? chunked(new Uint8Array())),
    signal: sent.signal ?? new AbortController().signal,
  };
  const answer = await handle(request);
  const body = Buffer.from(
    answer.body === undefined || answer.body instanceof Uint8Array
      ? (answer.body ?? "")
      : await collect(answer.body, 64 * 1024 * 1024, "the answer"),
  );
  const errors = answer.status >= 400 && body.length > 0 ? JSON.parse(body.toString()).errors : [];
  return {
    status: answer.status,
    headers: answer.headers,
    body,
    errors: errors.map((e: { code: string }) => e.code),
  };
}

async function* chunked(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

export function sha256(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Pushes a blob in one request. */
export async function pushBlob(
  registry: RegistryHandler,
  name: string,
  bytes: string | Uint8Array,
): Promise<Digest> {
  const digest = sha256(bytes);
  const answer = await exchange(registry, "POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  });
  if (answer.status !== 201) throw new Error(`the blob was answered ${answer.status} ${answer.body}`);
  return digest;
}

/** The bytes of an image manifest over blobs that {@link pushBlob} takes. */
export function manifestOf(config: string, layers: readonly string[], more: object = {}): string {
  const descriptor = (mediaType: string, text: string): object => ({
    mediaType,
    digest: sha256(text),
    size: Buffer.byteLength(text),
  });
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: descriptor(MediaType.config, config),
    layers: layers.map((layer) => descriptor(MediaType.layerTar, layer)),
    ...more,
  });
}

/** Pushes blobs and a manifest over them. */
export async function pushImage(
  registry: RegistryHandler,
  name: string,
  reference: string,
  more: object = {},
): Promise<Digest> {
  for (const blob of ["{}", "layer"]) await pushBlob(registry, name, blob);
  const body = manifestOf("{}", ["layer"], more);
  const answer = await exchange(registry, "PUT", `/v2/${name}/manifests/${reference || sha256(body)}`, {
    headers: { "content-type": MediaType.manifest },
    body,
  });
  if (answer.status !== 201) throw new Error(`the manifest was answered ${answer.status} ${answer.body}`);
  return sha256(body);
}

export const PLACES = ["memory", "a folder"] as const;

/** A registry over an empty backing, with all of it gone on dispose. */
export async function openRegistry(
  place: (typeof PLACES)[number],
  options: RegistryOptions = {},
): Promise<RegistryHandler & { readonly root: string }> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-registry-");
  const root = join(folder.path, "data");
  const backing = place === "memory" ? memoryBacking() : await folderBacking(root);
  const failures: unknown[] = [];
  const registry = registryHandler(backing, { onError: (error) => failures.push(error), ...options });
  return {
    handle: registry.handle,
    collect: registry.collect,
    get uploads() {
      return registry.uploads;
    },
    root,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await backing[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      if (failures.length > 0) throw new AggregateError(failures, "the registry failed");
    },
  };
}
