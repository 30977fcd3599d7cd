import { Refusal } from "../auth/index.ts";
import { type Call, discard, type Response } from "../base/index.ts";
import {
  type Descriptor,
  digester,
  digestOf,
  isDigest,
  isObject,
  MANIFEST_LIMIT,
  MediaType,
  StoreError,
} from "../oci/index.ts";
import { HostPatience } from "./patience.ts";
import type { RemoteRepository } from "./repository.ts";

const ACCEPT: string = [
  MediaType.index,
  MediaType.manifest,
  MediaType.dockerIndex,
  MediaType.dockerManifest,
  "*/*;q=0.1",
].join(", ");

export const acceptManifests: Readonly<Record<string, string>> = { accept: ACCEPT };

/**
 * What a tag or digest names. Which digest a tag names is the registry's word in any case, so a HEAD does where it says
 * all; whatever is then read by that digest is checked against it.
 */
export async function resolveRemote(at: RemoteRepository, name: string, call: Call): Promise<Descriptor> {
  let head: Response;
  try {
    head = await at.ask("HEAD", `manifests/${name}`, [200, 404, 405], call, { headers: acceptManifests });
  } catch (error) {
    return await askForReason(at, name, error, call);
  }
  await discard(head);
  const told = head.status === 200 ? describe(head, name) : undefined;
  return told ?? readAndDescribe(at, name, call);
}

/** A refused HEAD has no body that could say why: where it is the last word, a GET is tried, once. @throws what is known then */
async function askForReason(
  at: RemoteRepository,
  name: string,
  error: unknown,
  call: Call,
): Promise<Descriptor> {
  const speechless = error instanceof Refusal && (error.status >= 500 || [400, 403].includes(error.status));
  if (!speechless) throw error;
  const patience = new HostPatience({
    registry: at.host.registry,
    served: false,
    options: { retry: { attempts: 1 } },
  });
  try {
    return await readAndDescribe(at, name, call, patience);
  } catch (reason) {
    call.signal.throwIfAborted();
    throw reason instanceof Refusal && reason.codes.length > 0 ? reason : error;
  }
}

function describe(head: Response, name: string): Descriptor | undefined {
  const digest = head.headers.get("docker-content-digest") ?? name;
  const length = head.headers.get("content-length") ?? "";
  const mediaType = mediaTypeOf(head);
  if (mediaType === undefined || !isDigest(digest) || !/^\d{1,15}$/.test(length)) return undefined;
  return { mediaType, digest, size: Number(length) };
}

async function readAndDescribe(
  at: RemoteRepository,
  name: string,
  call: Call,
  patience: HostPatience = new HostPatience(at.host),
): Promise<Descriptor> {
  const what = `${at.origin}: the manifest ${name}`;
  const { response, bytes } = await at.read(`manifests/${name}`, MANIFEST_LIMIT, what, call, {
    headers: acceptManifests,
    patience,
  });
  const told = response.headers.get("docker-content-digest") ?? name;
  const hash = digester(isDigest(told) ? told : undefined);
  hash.update(bytes);
  const digest = hash.digest();
  if (isDigest(told) && told !== digest) {
    throw new StoreError("digest-mismatch", `${at.origin}: the manifest ${name} is ${digest}, not ${told}`, {
      hint: "the registry, or something before it, changes what it stores",
    });
  }
  const mediaType = mediaTypeOf(response) ?? statedType(bytes);
  if (mediaType === undefined) {
    throw new StoreError("registry-error", `${at.origin}: the manifest ${name} has no media type`);
  }
  return { mediaType, digest, size: bytes.length };
}

function mediaTypeOf(response: Response): string | undefined {
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  return /^application\/vnd\.[\w.+-]+$/.test(type) ? type : undefined;
}

/** The `mediaType` inside, for registries that serve manifests as plain JSON. */
function statedType(bytes: Uint8Array): string | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    const type = isObject(json) ? json["mediaType"] : undefined;
    return typeof type === "string" ? type : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a registry refused a manifest because it does not have (yet, or any more) what the manifest refers to. */
export function lacksBlob(error: unknown): boolean {
  return error instanceof Refusal && error.codes.includes("MANIFEST_BLOB_UNKNOWN");
}

/**
 * Stores a manifest under its digest or a tag.
 * @returns the answer's fields: `OCI-Subject` says that the registry lists it among its subject's referrers
 */
export async function putManifest(
  at: RemoteRepository,
  name: string,
  d: Descriptor,
  bytes: Uint8Array,
  call: Call,
): Promise<Response["headers"]> {
  const headers = { "content-type": d.mediaType };
  const patience = new HostPatience(at.host);
  const more = { headers, body: bytes, push: true, patience };
  const put = (): Promise<Response> => at.ask("PUT", `manifests/${name}`, [201, 200, 202, 204], call, more);
  const response = await put().catch(async (error: unknown) => {
    // Registries that keep several copies may need a moment until each knows the blobs.
    if (!lacksBlob(error)) throw error;
    await patience.afterFailure(error, call, true);
    return put();
  });
  await discard(response);
  const stored = response.headers.get("docker-content-digest");
  if (stored === undefined || stored === d.digest || stored === digestOf(bytes)) return response.headers;
  throw new StoreError("digest-mismatch", `${at.origin}: stored ${d.digest} as ${stored.slice(0, 140)}`, {
    hint: "the registry changes manifests; an image there would not be the one that was pushed",
  });
}
