import type { Call } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  layerCompression,
  OciError,
  type Platform,
  type Store,
} from "../oci/index.ts";
import { readConfig, resolveManifest } from "../store/index.ts";
import { VolumeError } from "./errors.ts";

/** One platform's image, ready to be unpacked. */
export interface VolumeImage {
  /** Of the platform's manifest: what names the volume. */
  readonly manifest: Digest;
  /** Of what the reference names: the index, or the manifest. */
  readonly root: Digest;
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: Digest }[];
}

/**
 * What a node would mount for a tag or digest.
 * @throws OciError `platform-missing`, `manifest-invalid`, `layers-mismatch`; VolumeError `not-a-volume`; StoreError
 */
export async function volumeImage(
  store: Store,
  tagOrDigest: string,
  platform: Platform | undefined,
  call: Call,
): Promise<VolumeImage> {
  const { descriptor, manifest, root } = await resolveManifest(store, tagOrDigest, call, platform);
  const what = `${store.origin}: ${tagOrDigest}`;
  const odd = manifest.layers.find((layer) => layerCompression(layer.mediaType) === undefined);
  if (odd !== undefined) {
    throw new VolumeError(
      "not-a-volume",
      `${what} has a layer of type ${odd.mediaType}, which is no image's layer`,
      {
        hint: "pack its files as a volume image; containerd would mount nothing of it, or refuse it",
      },
    );
  }
  const { diffIds = [] } = await readConfig(store, manifest, call);
  if (diffIds.length !== manifest.layers.length) {
    throw new OciError(
      "layers-mismatch",
      `${what} has ${manifest.layers.length} layers, but its config has ${diffIds.length} diff_ids`,
      {
        hint: `pack it again; containerd refuses it, too: "number of layers and diffIDs don't match: ${manifest.layers.length} != ${diffIds.length}"`,
      },
    );
  }
  const layers = manifest.layers.map((layer, i) => ({
    descriptor: layer,
    diffId: diffIds[i] ?? layer.digest,
  }));
  return { manifest: descriptor.digest, root: root.digest, layers };
}
