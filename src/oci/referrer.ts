import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { Index, Manifest } from "./manifest.ts";

/**
 * A manifest as lists of referrers show it (distribution-spec, "Listing Referrers"): an image manifest without an
 * artifactType of its own has its config's media type.
 */
export function asReferrer(d: Descriptor, view: Manifest | Index): Descriptor {
  const artifactType = view.artifactType || (view.kind === "manifest" ? view.config.mediaType : undefined);
  return {
    mediaType: d.mediaType,
    digest: d.digest,
    size: d.size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(view.annotations).length === 0 ? {} : { annotations: view.annotations }),
  };
}

/** Whether `d` is of the type that was asked for; every one is where none was. */
export function isOfType(d: Descriptor, artifactType: string | undefined): boolean {
  return artifactType === undefined || d.artifactType === artifactType;
}

/** The tag under which referrers are listed where there is no API for them (distribution-spec, "Referrers Tag Schema"). */
export function fallbackTag(subject: Digest): string {
  const [algorithm = "", hex = ""] = subject.split(":");
  return `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}`;
}
