import { withoutUserinfo } from "../base/index.ts";
import { type Digest, isDigest } from "./digest.ts";
import {
  invalidReference,
  REPOSITORY_LIMIT,
  refuseForeign,
  refuseRepository,
  refuseTag,
} from "./reference-refusal.ts";

interface Named {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** An image in a registry. */
export interface RemoteReference extends Named {
  readonly scheme: "remote";
  /** Registry and repository as written; {@link registryOf} and {@link repositoryOf} expand short names. */
  readonly name: string;
}

/** An image in an OCI layout folder (`oci:`) or archive (`oci-archive:`). */
export interface FileReference extends Named {
  readonly scheme: "oci" | "oci-archive";
  readonly path: string;
}

export type Reference = RemoteReference | FileReference;

// The grammar, from one-line pieces (distribution-spec, "Pulling manifests"; the distribution/reference package).
const TAG = "[\\w][\\w.-]{0,127}";
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = `${COMPONENT}(?:/${COMPONENT})*`;
const HOST_NAME = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const HOST = `(?:${HOST_NAME}(?:\\.${HOST_NAME})*|\\[[a-fA-F0-9:]+\\])`;
const REGISTRY = `${HOST}(?::[0-9]{1,5})?`;

const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);
const IS_TAG = whole(TAG);
const IS_REPOSITORY = whole(REPOSITORY);
const IS_REGISTRY = whole(REGISTRY);
const TAG_AT_END = new RegExp(`^(.*):(${TAG})$`, "s");
const DIGEST_AT_END = /^(.*)@([a-z0-9]+:[0-9a-f]+)$/s;

/** Whether `text` can be a tag (distribution-spec). */
export function isTag(text: string): boolean {
  return IS_TAG.test(text);
}

/** Whether `text` can be a repository's name inside a registry. */
export function isRepository(text: string): boolean {
  return text.length <= REPOSITORY_LIMIT && IS_REPOSITORY.test(text);
}

/**
 * Reads `[registry/]repository[:tag][@digest]`, `oci:DIR[:tag][@digest]` or `oci-archive:FILE[:tag][@digest]`,
 * from the right: a digest, then a tag, then the name. A trailing `:` says that a folder whose name has a colon has no tag;
 * of a registry's image it is refused, for there it is a tag that somebody meant to write.
 * @throws OciError `reference-invalid`
 */
export function parseReference(text: string): Reference {
  const scheme = /^(oci|oci-archive):/.exec(text)?.[1];
  if (scheme === undefined) return parseRemote(text);
  const { name, ...named } = split(text.slice(scheme.length + 1), text);
  const path = named.tag === undefined && name.endsWith(":") ? name.slice(0, -1) : name;
  if (path === "" || path.includes("\0")) throw invalidReference(text, `${scheme}: needs a path`);
  return { scheme: scheme === "oci" ? "oci" : "oci-archive", path, ...named };
}

function parseRemote(text: string): RemoteReference {
  if (text === "") throw invalidReference(text, "it is empty");
  if (/^(?:\.{0,2}\/|\.{1,2}$)/.test(text)) {
    const meant = withoutUserinfo(text) === text ? `did you mean oci:${text}?` : "write oci: before it";
    throw invalidReference(text, "a folder's path needs oci: before it", meant);
  }
  refuseForeign(text);
  if (registryAlone(text)) throw invalidReference(text, `the repository is missing: ${text}/NAME`);
  const { name, ...named } = split(text, text);
  // `app:$VERSION` where nobody set VERSION: "latest" would be the wrong image, overwritten.
  if (name.endsWith(":") && named.tag === undefined) {
    throw invalidReference(text, "the tag after the colon is missing", "write a tag, or leave the colon out");
  }
  const { registry, repository } = expand(name);
  if (!IS_REGISTRY.test(registry)) {
    // `app:feature/x`: what would be a registry's port begins a tag that cannot be.
    const tag = /^[^:.]+:(?![0-9]+\/)(.+)$/s.exec(name)?.[1];
    if (tag !== undefined && IS_REPOSITORY.test(name.slice(0, -tag.length - 1))) refuseTag(text, tag);
    throw invalidReference(text, `${JSON.stringify(registry)} is not a registry`);
  }
  if (!isRepository(repository)) refuseRepository(text, repository);
  return { scheme: "remote", name, ...named };
}

/** `localhost:5001` could be an image of Docker Hub with an odd tag, and never is. */
function registryAlone(text: string): boolean {
  const host = /^([^/@]+):[0-9]{1,5}$/.exec(text)?.[1];
  return host !== undefined && (host === "localhost" || /[.[]/.test(host)) && IS_REGISTRY.test(text);
}

function split(rest: string, text: string): { name: string } & Named {
  let name = rest;
  let digest: Digest | undefined;
  const pinned = DIGEST_AT_END.exec(name);
  if (pinned?.[1] !== undefined) {
    if (!isDigest(pinned[2])) throw invalidReference(text, `${pinned[2]} is not a sha256 or sha512 digest`);
    name = pinned[1];
    digest = pinned[2];
  }
  const tagged = TAG_AT_END.exec(name);
  const tag = tagged?.[2];
  if (tagged?.[1] !== undefined) name = tagged[1];
  return { name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** As Docker expands short names: `alpine` is `docker.io/library/alpine`, `me/app` is `docker.io/me/app`. */
function expand(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  if (first === "localhost" || /[.:A-Z]/.test(first)) {
    const repository = name.slice(slash + 1);
    const hub = first === "docker.io" || first === "index.docker.io";
    if (!hub) return { registry: first, repository };
    return {
      registry: "docker.io",
      repository: repository.includes("/") ? repository : `library/${repository}`,
    };
  }
  return { registry: "docker.io", repository: slash < 0 ? `library/${name}` : name };
}

/** The registry that a reference means: `docker.io` for a short name. */
export function registryOf(r: RemoteReference): string {
  return expand(r.name).registry;
}

/** The repository inside its registry. */
export function repositoryOf(r: RemoteReference): string {
  return expand(r.name).repository;
}

/** What to ask the store for: the digest where there is one, else the tag, else `latest`. */
export function wantedOf(r: Reference): string {
  return r.digest ?? r.tag ?? "latest";
}

/** The reference as a user writes it. `parseReference` reads it back to the same. */
export function formatReference(r: Reference): string {
  const name = r.scheme === "remote" ? r.name : `${r.scheme}:${r.path}`;
  const ambiguous =
    r.tag === undefined && r.scheme !== "remote" && (TAG_AT_END.test(r.path) || r.path.endsWith(":"));
  const tag = r.tag === undefined ? (ambiguous ? ":" : "") : `:${r.tag}`;
  return `${name}${tag}${r.digest === undefined ? "" : `@${r.digest}`}`;
}

/** The same image, named by `digest`; its tag stays, for people. */
export function pinned(r: Reference, digest: Digest): Reference {
  return { ...r, digest };
}
