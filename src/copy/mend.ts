import type { Call } from "../base/index.ts";
import { type Descriptor, isManifestLike, parseManifestOrIndex } from "../oci/index.ts";
import { lacksBlob } from "../remote/index.ts";
import { CopyError, type CopySides, type Outcome } from "./sides.ts";

/**
 * Puts a manifest; where the destination says that it lacks what the manifest refers to, that is looked at once more, and sent
 * where it is missing: a registry may have collected it as garbage since we looked.
 */
export async function manifestOrMend(
  sides: CopySides,
  d: Descriptor,
  bytes: Uint8Array,
  call: Call,
): Promise<Outcome> {
  try {
    return await sides.manifest(d, bytes, call);
  } catch (error) {
    if (!(error instanceof CopyError) || !lacksBlob(error.cause)) throw error;
    for (const blob of blobsOf(d, bytes)) await sides.blob(blob, call);
    return await sides.manifest(d, bytes, call);
  }
}

function blobsOf(d: Descriptor, bytes: Uint8Array): readonly Descriptor[] {
  const view = parseManifestOrIndex(bytes, d.mediaType, d.digest);
  if (view.kind === "index") return view.manifests.filter((child) => !isManifestLike(child.mediaType));
  return [view.config, ...view.layers];
}
