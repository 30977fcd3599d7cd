import { type Call, fromBytes } from "../base/index.ts";
import {
  canonicalJson,
  type Descriptor,
  digestOf,
  formatPlatform,
  MediaType,
  type Platform,
  parsePlatform,
  type Store,
} from "../oci/index.ts";
import type { Layer } from "../tree/index.ts";

/** The platforms of an image that is made for any node: what image volumes are mounted on. */
export const PLATFORMS: readonly Platform[] = [parsePlatform("linux/amd64"), parsePlatform("linux/arm64")];

/** What is said around the layers. */
export interface ImageSpec {
  /** One manifest a platform in one index; `none` is a single manifest without an index. Default {@link PLATFORMS}. */
  readonly platforms?: readonly Platform[] | "none" | undefined;
  /** Seconds since 1970; default 0. */
  readonly created?: number | undefined;
  /** Of the index and of each manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The image config's `config` object: environment, labels (image-spec, config.md). A volume needs none. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Writes the config and manifest of each platform, and the index over them; the layers are there already. The same
 * layers and spec make the same bytes.
 * @returns the descriptor of the index, or of the single manifest
 */
export async function writeImage(
  to: Store,
  layers: readonly Layer[],
  spec: ImageSpec,
  call: Call,
): Promise<Descriptor> {
  const annotations = spec.annotations ?? {};
  const platforms = spec.platforms ?? PLATFORMS;
  if (platforms === "none") {
    // A config must name a platform (image-spec, config.md#properties); no runtime holds a single manifest to it.
    return writeManifest(to, layers, spec, { os: "linux", architecture: "amd64" }, call);
  }
  const distinct = new Map(platforms.map((p) => [formatPlatform(p), p]));
  const manifests: Descriptor[] = [];
  for (const platform of distinct.values()) {
    const manifest = await writeManifest(to, layers, spec, platform, call);
    manifests.push({ ...manifest, platform, ...optional({ annotations: compressionOf(layers) }) });
  }
  const index = { schemaVersion: 2, mediaType: MediaType.index, manifests, ...optional({ annotations }) };
  return putJson(to, MediaType.index, index, call);
}

/**
 * What containers/image (podman, skopeo, buildah) writes beside a platform whose layers are zstd, to choose by. Where it
 * is missing they add it as they copy, and the index gets another digest; told to preserve digests, they refuse.
 */
function compressionOf(layers: readonly Layer[]): Readonly<Record<string, string>> {
  const zstd = layers.some(({ descriptor }) => descriptor.mediaType === MediaType.layerZstd);
  return zstd ? { "io.github.containers.compression.zstd": "true" } : {};
}

async function writeManifest(
  to: Store,
  layers: readonly Layer[],
  spec: ImageSpec,
  platform: Platform,
  call: Call,
): Promise<Descriptor> {
  const config = await putJson(
    to,
    MediaType.config,
    {
      ...platform,
      created: new Date((spec.created ?? 0) * 1000).toISOString().replace(".000Z", "Z"),
      ...optional({ config: spec.config ?? {} }),
      rootfs: { type: "layers", diff_ids: layers.map((l) => l.diffId) },
    },
    call,
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config,
    layers: layers.map((l) => l.descriptor),
    ...optional({ annotations: spec.annotations ?? {} }),
  };
  return putJson(to, MediaType.manifest, manifest, call);
}

/** Leaves out what would be an empty object. */
function optional(members: Readonly<Record<string, object>>): Readonly<Record<string, object>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => Object.keys(value).length > 0));
}

async function putJson(to: Store, mediaType: string, value: unknown, call: Call): Promise<Descriptor> {
  const bytes = canonicalJson(value);
  const d: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await to.put(d, fromBytes(bytes), call);
  return d;
}
