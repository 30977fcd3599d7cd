import { randomUUID } from "node:crypto";
import { BaseError, collect, fromBytes, type HttpResponse } from "../base/index.ts";
import {
  type Descriptor,
  digester,
  type Index,
  isDigest,
  isManifestLike,
  isTag,
  MANIFEST_LIMIT,
  type Manifest,
  parseManifestOrIndex,
  StoreError,
} from "../oci/index.ts";
import { type Ask, digestIn, repositoryOf } from "./ask.ts";
import type { Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import { etagOf, isNotModified } from "./etag.ts";
import { find, findBlob } from "./find.ts";
import { recordOf } from "./records.ts";
import { within } from "./within.ts";

/** GET and HEAD /v2/NAME/manifests/REFERENCE (distribution-spec, "Pulling manifests"). */
export async function getManifest(ask: Ask): Promise<HttpResponse> {
  const repository = await repositoryOf(ask);
  const d = await repository.gate.shared(async () => {
    const found = await manifestIn(repository, ask);
    repository.recent.note(found.digest);
    return found;
  });
  const etag = etagOf(d.digest);
  const headers = {
    "content-type": d.mediaType,
    "docker-content-digest": d.digest,
    etag,
  };
  if (isNotModified(ask.request, etag)) return { status: 304, headers };
  const length = String(d.size);
  return {
    status: 200,
    headers: { ...headers, "content-length": length },
    body: repository.store.read(d, ask.call),
  };
}

/** PUT /v2/NAME/manifests/REFERENCE[?tag=…] (distribution-spec, "Pushing manifests"). */
export async function putManifest(ask: Ask): Promise<HttpResponse> {
  const { reference, name, request, call } = ask;
  const tags = isDigest(reference) ? request.query.getAll("tag") : [reference];
  for (const tag of tags) checkTag(tag, reference);
  const bytes = await bodyOf(ask);
  const read = parseManifestOrIndex(bytes, contentType(ask), `the manifest for ${name}`);
  const hash = digester(isDigest(reference) ? reference : undefined);
  hash.update(bytes);
  const digest = hash.digest();
  if (isDigest(reference) && digest !== reference) {
    throw new StoreError("digest-mismatch", `the manifest is ${digest}, not ${reference}`);
  }
  const d: Descriptor = { mediaType: read.mediaType, digest, size: bytes.length };
  await within(ask, async (repository) => {
    // From the look at its content to the last tag: nothing of it goes meanwhile.
    await repository.gate.shared(async () => {
      if (read.kind === "manifest") await checkContent(read, repository, ask);
      else await checkParts(read, repository, ask);
      repository.recent.note(digest);
      await repository.manifests.set(recordOf(read, d));
      await keep(d, bytes, repository, ask);
      for (const tag of tags) await repository.store.tag(tag, d, call);
    });
  });
  return {
    status: 201,
    headers: {
      location: `/v2/${name}/manifests/${digest}`,
      "docker-content-digest": digest,
      ...(read.subject === undefined ? {} : { "oci-subject": read.subject.digest }),
      ...(isDigest(reference) && tags.length > 0 ? { "oci-tag": tags.join(", ") } : {}),
    },
  };
}

/** A store takes what has the right size for the right bytes. Who pushes has these: what was damaged on the disk is healed. */
async function keep(d: Descriptor, bytes: Uint8Array, repository: Repository, ask: Ask): Promise<void> {
  const { store } = repository;
  await store.put(d, fromBytes(bytes), ask.call);
  try {
    for await (const _ of store.read(d, ask.call));
  } catch (error) {
    if (!(error instanceof StoreError && error.code === "digest-mismatch")) throw error;
    await using spool = await ask.backing.spool({ id: randomUUID(), name: repository.name }, ask.call);
    await spool.append(bytes);
    await spool.adopt(repository, d.digest);
  }
}

/** DELETE /v2/NAME/manifests/REFERENCE: a tag alone, or a manifest with all its tags. */
export async function deleteManifest(ask: Ask): Promise<HttpResponse> {
  const { reference, call } = ask;
  const repository = await repositoryOf(ask);
  const { store } = repository;
  const deletes = store.can.delete;
  if (deletes === undefined) throw new RegistryError("method-unsupported", `${store.origin} deletes nothing`);
  await repository.gate.exclusive(async () => {
    const d = await manifestIn(repository, ask);
    if (!isDigest(reference)) return await deletes.untag(reference, call);
    await deletes.delete(d, call);
    await repository.manifests.delete(d.digest);
  });
  return { status: 202, headers: {} };
}

async function manifestIn(repository: Repository, { reference, call }: Ask): Promise<Descriptor> {
  if (!isDigest(reference)) {
    if (reference.includes(":")) digestIn(reference);
    checkTag(reference, reference);
  }
  const recorded = isDigest(reference) ? await repository.manifests.get(reference) : undefined;
  if (recorded !== undefined) {
    const d = await findBlob(repository, recorded.digest, call);
    if (d !== undefined) return { ...d, mediaType: recorded.mediaType };
  }
  // A layout that others wrote to has no records: what its store says is a manifest is one.
  const d = await find(repository, reference, call);
  if (d !== undefined && isManifestLike(d.mediaType)) return d;
  throw new RegistryError("manifest-unknown", `${repository.name} has no manifest ${reference}`);
}

async function bodyOf({ request }: Ask): Promise<Uint8Array> {
  try {
    return await collect(request.body, MANIFEST_LIMIT, "the manifest");
  } catch (error) {
    if (!(error instanceof BaseError && error.code === "too-large")) throw error;
    throw new RegistryError("manifest-too-large", error.message, { cause: error });
  }
}

function contentType({ request }: Ask): string | undefined {
  return request.headers.get("content-type")?.split(";")[0]?.trim() || undefined;
}

/**
 * Everything an image needs must be there before it can be pulled, unless the registry is sparse. Left out: layers that are
 * not distributed, the subject, and an index's manifests (a copy of some platforms only is a valid index).
 */
async function checkContent(
  manifest: Manifest,
  repository: Repository,
  { sparse, call }: Ask,
): Promise<void> {
  for (const d of [manifest.config, ...manifest.layers]) {
    if (d.urls !== undefined || /\.nondistributable\.|\.foreign\./.test(d.mediaType)) continue;
    const found = await findBlob(repository, d.digest, call);
    if (found === undefined && sparse) continue;
    if (found === undefined) {
      throw new RegistryError("manifest-blob-unknown", `${repository.name} has no blob ${d.digest}`, {
        hint: "push the config and the layers before the manifest",
      });
    }
    if (found.size !== d.size) {
      throw new StoreError(
        "size-mismatch",
        `${d.digest} has ${found.size} bytes, the manifest says ${d.size}`,
      );
    }
  }
}

/**
 * An index may name manifests that were never here. One that was, and was collected before the index came, has to be pushed
 * again: whoever pushes believes that it is there.
 */
async function checkParts(index: Index, repository: Repository, { call }: Ask): Promise<void> {
  for (const { digest } of index.manifests) {
    if ((await repository.manifests.get(digest)) === undefined) continue;
    if ((await findBlob(repository, digest, call)) !== undefined) continue;
    throw new RegistryError(
      "manifest-blob-unknown",
      `${repository.name} has no manifest ${digest} any more`,
      {
        hint: "push it again before the index",
      },
    );
  }
}

function checkTag(tag: string, reference: string): void {
  if (isTag(tag)) return;
  throw new RegistryError("tag-invalid", `not a tag or digest: ${JSON.stringify(reference.slice(0, 200))}`);
}
