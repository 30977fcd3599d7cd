import type { Call } from "../base/index.ts";
import { type Descriptor, type Digest, StoreError } from "../oci/index.ts";
import type { Repository } from "./backing.ts";

/** What a tag or digest names in a store, or undefined. */
export async function find(
  repository: Repository,
  tagOrDigest: string,
  call: Call,
): Promise<Descriptor | undefined> {
  return await unlessMissing(repository.store.resolve(tagOrDigest, call));
}

/** What a digest names, as bytes and no more, or undefined: a store may know their size without reading any. */
export async function findBlob(
  { store }: Repository,
  digest: Digest,
  call: Call,
): Promise<Descriptor | undefined> {
  return await unlessMissing(store.can.stat?.blob(digest, call) ?? store.resolve(digest, call));
}

/** The blob that a digest names, for a client that will rely on it, or undefined. Not from within the gate. */
export async function told(
  repository: Repository,
  digest: Digest,
  call: Call,
): Promise<Descriptor | undefined> {
  return await repository.gate.shared(async () => {
    const found = await findBlob(repository, digest, call);
    if (found !== undefined) repository.recent.note(found.digest);
    return found;
  });
}

async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof StoreError && error.code === "not-found") return undefined;
    throw error;
  }
}
