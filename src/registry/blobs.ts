import type { HttpResponse } from "../base/index.ts";
import type { Descriptor } from "../oci/index.ts";
import { readUnverified } from "../store/index.ts";
import { type Ask, digestIn, repositoryOf } from "./ask.ts";
import type { Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import { etagOf, isNotModified } from "./etag.ts";
import { findBlob, told } from "./find.ts";
import { type Part, partOf } from "./range.ts";

/** GET and HEAD /v2/NAME/blobs/DIGEST (distribution-spec, "Pulling blobs"). */
export async function getBlob(ask: Ask): Promise<HttpResponse> {
  const repository = await repositoryOf(ask);
  const blob = known(await told(repository, digestIn(ask.reference), ask.call), ask);
  const etag = etagOf(blob.digest);
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": blob.digest,
    "accept-ranges": "bytes",
    etag,
  };
  if (isNotModified(ask.request, etag)) return { status: 304, headers };
  // If-Range names another version: then only the whole is of use (RFC 9110, section 13.1.5).
  const condition = ask.request.headers.get("if-range");
  // Of HEAD no range is asked (section 14.2).
  const ranged = ask.request.method === "GET" && (condition === undefined || condition === etag);
  const part = ranged ? partOf(ask.request.headers.get("range"), blob.size) : undefined;
  if (part === undefined) {
    const length = String(blob.size);
    return {
      status: 200,
      headers: { ...headers, "content-length": length },
      body: readUnverified(repository.store, blob, 0, ask.call),
    };
  }
  return {
    status: 206,
    headers: {
      ...headers,
      "content-length": String(part.end - part.start),
      "content-range": `bytes ${part.start}-${part.end - 1}/${blob.size}`,
    },
    body: readPart(repository, blob, part, ask),
  };
}

/** DELETE /v2/NAME/blobs/DIGEST (distribution-spec, "Deleting blobs"). */
export async function deleteBlob(ask: Ask): Promise<HttpResponse> {
  const repository = await repositoryOf(ask);
  const digest = digestIn(ask.reference);
  const deletes = repository.store.can.delete;
  if (deletes === undefined) {
    throw new RegistryError("method-unsupported", `${repository.store.origin} deletes nothing`);
  }
  await repository.gate.exclusive(async () => {
    await deletes.delete(known(await findBlob(repository, digest, ask.call), ask), ask.call);
    // It may have been a manifest, too.
    await repository.manifests.delete(digest);
  });
  return { status: 202, headers: { "docker-content-digest": digest } };
}

function known(blob: Descriptor | undefined, { name, reference }: Ask): Descriptor {
  if (blob !== undefined) return blob;
  throw new RegistryError("blob-unknown", `${name} has no blob ${reference}`);
}

async function* readPart(
  { store }: Repository,
  blob: Descriptor,
  { start, end }: Part,
  { call }: Ask,
): AsyncIterable<Uint8Array> {
  let left = end - start;
  for await (const chunk of store.read(blob, call, start)) {
    yield left < chunk.length ? chunk.subarray(0, left) : chunk;
    left -= chunk.length;
    if (left <= 0) return;
  }
}
