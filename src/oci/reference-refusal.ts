import { withoutUserinfo } from "../base/index.ts";
import { OciError } from "./errors.ts";

/** What a tag may be, for hints (distribution-spec, "Pulling manifests"). */
export const TAG_RULE = "a tag has up to 128 letters, digits, _, . and -, and does not begin with . or -";

/** Where users of other tools keep images, and what to do with those here (containers-transports(5)). */
const TRANSPORTS: Readonly<Record<string, string>> = {
  dir: "copy to and from a folder with oci:FOLDER:TAG",
  "docker-archive": "copy to and from a tar file with oci-archive:FILE:TAG",
  "docker-daemon":
    "push it to a registry, or `docker save` (25 or newer) it and read the file with oci-archive:FILE",
  "containers-storage": "`podman push` it to a registry, or to oci-archive:FILE",
  ostree: "copy it to a registry, oci:FOLDER or oci-archive:FILE with skopeo",
  sif: "copy it to a registry, oci:FOLDER or oci-archive:FILE with skopeo",
  tarball: "pack the tar: `imgvol pack - -t REF < FILE`",
};

/** A reference that cannot be read. */
export function invalidReference(
  text: string,
  why: string,
  hint = "write registry/repository:tag, or oci:FOLDER:tag",
): OciError {
  const shown = JSON.stringify(withoutUserinfo(text));
  return new OciError("reference-invalid", `not a reference: ${shown}: ${why}`, { hint, wrongUse: true });
}

/** What was meant for another tool, or for `login`: refused before any of it is taken for a registry's name. */
export function refuseForeign(text: string): void {
  const transport = /^([a-z-]+):/.exec(text)?.[1] ?? "";
  const instead = Object.hasOwn(TRANSPORTS, transport) ? TRANSPORTS[transport] : undefined;
  if (instead !== undefined) {
    const short = /^[^/@]+$/.test(text) ? `; Docker Hub's image is docker.io/library/${text}` : "";
    throw invalidReference(
      text,
      `${transport}: is another tool's way to name an image`,
      `${instead}${short}`,
    );
  }
  if (withoutUserinfo(text) !== text) {
    throw invalidReference(
      text,
      "no user and no password belong into it",
      "leave out all before the @, and let `imgvol login` keep who you are; a digest is written @sha256:…",
    );
  }
  const [, url, rest] = /^([a-z-]+:\/\/)(.*)$/s.exec(text) ?? [];
  if (url !== undefined) {
    throw invalidReference(text, `a reference has no scheme like ${url}`, `leave it out: ${rest}`);
  }
}

/** A repository's name that is none, since it is too long, in upper case, or has what was meant to be a tag. */
export function refuseRepository(text: string, repository: string): never {
  const [, tag] = /^[^:]*:(.*)$/s.exec(repository) ?? [];
  if (tag !== undefined) refuseTag(text, tag);
  const why =
    repository.length > REPOSITORY_LIMIT
      ? `a repository's name has at most ${REPOSITORY_LIMIT} characters, and this one ${repository.length}`
      : `${JSON.stringify(repository)} is not a repository's name${/[A-Z]/.test(repository) ? " (repositories are lower case)" : ""}`;
  throw invalidReference(text, why);
}

export function refuseTag(text: string, tag: string): never {
  const long = tag.length > 128 ? ` (it has ${tag.length} characters)` : "";
  throw invalidReference(text, `${JSON.stringify(tag)} is not a tag${long}`, TAG_RULE);
}

/** In characters: what registries and clients agreed on (the distribution/reference package). */
export const REPOSITORY_LIMIT = 255;
