import type { Call, HttpRequest, HttpResponse } from "../base/index.ts";
import { type Digest, isDigest, isRepository, OciError } from "../oci/index.ts";
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
