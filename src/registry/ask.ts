import { type Call, type HttpRequest, type HttpResponse, quietCall } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, isRepository, OciError, StoreError } from "../oci/index.ts";
import type { Backing, Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import type { Sessions } from "./sessions.ts";

/** A request on its way to a resource, with what the route found in its path. */
export interface Ask {
  readonly request: HttpRequest;
  readonly call: Call;
  readonly backing: Backing;
  readonly sessions: Sessions;
  /** Manifests are taken whose content is missing. */
  readonly sparse: boolean;
  /** The repository's name, checked; "" on routes that name none. */
  readonly name: string;
  /** The last part of the path: a tag, a digest, an upload. Not checked. */
  readonly reference: string;
}

export type Resource = (ask: Ask) => Promise<HttpResponse>;

/** @throws RegistryError `name-invalid` */
export function repositoryName(text: string): string {
  if (isRepository(text)) return text;
  throw new RegistryError("name-invalid", `not a repository's name: ${JSON.stringify(text.slice(0, 300))}`);
}

/** @throws OciError `digest-invalid` */
export function digestIn(text: string): Digest {
  if (isDigest(text)) return text;
  throw new OciError(
    "digest-invalid",
    `not a sha256 or sha512 digest: ${JSON.stringify(text.slice(0, 200))}`,
  );
}

/** @throws RegistryError `name-unknown` */
export async function repositoryOf({ backing, name, call }: Ask): Promise<Repository> {
  const repository = await backing.find(name, call);
  if (repository !== undefined) return repository;
  throw new RegistryError("name-unknown", `there is no repository ${name}`);
}

/**
 * Works in the repository, which is made where it is missing, and stays while `work` runs. Where it is empty after a failure,
 * it goes again.
 */
export async function within<T>(
  { backing, name, call }: Pick<Ask, "backing" | "name" | "call">,
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  for (;;) {
    const repository = await backing.create(name, call);
    const stay = repository.gate.enter();
    // It was taken away before we were in it.
    if (stay === undefined) continue;
    try {
      return await work(repository);
    } catch (error) {
      stay[Symbol.dispose]();
      // What stays after all is for garbage collection; the client is told of its own failure.
      await backing.discard(repository, quietCall()).catch(() => false);
      throw error;
    } finally {
      stay[Symbol.dispose]();
    }
  }
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

async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof StoreError && error.code === "not-found") return undefined;
    throw error;
  }
}
