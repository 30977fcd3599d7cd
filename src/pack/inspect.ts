import type { Call } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  formatPlatform,
  type ImageConfig,
  isManifestLike,
  layerCompression,
  type Manifest,
  MediaType,
  OciError,
  type Store,
  StoreError,
} from "../oci/index.ts";
import { readConfig, readManifest } from "../store/index.ts";

/** What `inspect` answers: what a reference names, without reading any layer. Sizes are in bytes. */
export interface Inspection {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Of the index or manifest itself. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** In the index's order; one for a single manifest. */
  readonly platforms: readonly InspectedPlatform[];
  /** Of all layers together, each counted once. */
  readonly layerBytes: number;
  /** What refers to it, and to its platforms' manifests; only where that was asked for. */
  readonly referrers?: readonly InspectedReferrer[];
}

export interface InspectedReferrer {
  /** The index or manifest that it refers to. */
  readonly subject: Digest;
  readonly digest: Digest;
  readonly mediaType: string;
  /** What it is: `application/vnd.dev.sigstore.bundle.v0.3+json`, `application/spdx+json`, … */
  readonly artifactType?: string;
  /** Of the referring manifest. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface InspectedPlatform {
  /** As the index says, else as the config says; `unknown` where neither does. */
  readonly platform: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly config: {
    readonly digest: Digest;
    readonly mediaType: string;
    readonly size: number;
    readonly created?: string;
  };
  /** The image's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** From the lowest. */
  readonly layers: readonly InspectedLayer[];
}

export interface InspectedLayer {
  readonly digest: Digest;
  readonly mediaType: string;
  /** `none`, `gzip`, `zstd`, or `unknown` where the media type is no tar layer's. */
  readonly compression: string;
  readonly size: number;
  /** Undefined where the config does not list it. */
  readonly diffId?: Digest;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * What a tag or digest names.
 * @param how `referrers`: also what refers to it
 * @throws StoreError `not-found`, `unsupported`; OciError `manifest-invalid`, `config-invalid`, `media-type-unknown`
 */
export async function inspect(
  store: Store,
  tagOrDigest: string,
  call: Call,
  how: { readonly referrers?: boolean | undefined } = {},
): Promise<Inspection> {
  const root = await store.resolve(tagOrDigest, call);
  const platforms: InspectedPlatform[] = [];
  const annotations = await addPlatforms(store, root, call, platforms, 0);
  const layers = new Map(platforms.flatMap((p) => p.layers.map((l) => [l.digest, l.size] as const)));
  return {
    digest: root.digest,
    mediaType: root.mediaType,
    size: root.size,
    annotations,
    platforms,
    layerBytes: [...layers.values()].reduce((a, b) => a + b, 0),
    ...(how.referrers
      ? {
          referrers: await referrersOf(
            store,
            [root, ...platforms].map((d) => d.digest),
            call,
          ),
        }
      : {}),
  };
}

async function referrersOf(
  store: Store,
  subjects: readonly Digest[],
  call: Call,
): Promise<readonly InspectedReferrer[]> {
  const { referrers } = store.can;
  if (referrers === undefined) {
    throw new StoreError("unsupported", `${store.origin} does not know what refers to an image`);
  }
  const found: InspectedReferrer[] = [];
  for (const subject of new Set(subjects)) {
    for await (const { digest, mediaType, artifactType, size, annotations } of referrers.referrers(
      subject,
      call,
    )) {
      const type = artifactType === undefined ? {} : { artifactType };
      found.push({ subject, digest, mediaType, ...type, size, annotations: annotations ?? {} });
    }
  }
  return found;
}

/** Indexes may lie in indexes; real ones do not lie deep. */
const DEPTH = 8;

/** Adds the manifest that `d` is, or those that it lists, and gives back its annotations. */
async function addPlatforms(
  store: Store,
  d: Descriptor,
  call: Call,
  found: InspectedPlatform[],
  depth: number,
): Promise<Readonly<Record<string, string>>> {
  const { view } = await readManifest(store, d, call);
  if (view.kind === "manifest") found.push(await inspectManifest(store, d, view, call));
  else if (depth === DEPTH)
    throw new OciError("manifest-invalid", `${d.digest}: indexes lie too deep in indexes`);
  else {
    // What else an index lists (attestations of other kinds) is no image.
    for (const inner of view.manifests.filter((m) => isManifestLike(m.mediaType))) {
      await addPlatforms(store, inner, call, found, depth + 1);
    }
  }
  return view.annotations;
}

async function inspectManifest(
  store: Store,
  d: Descriptor,
  manifest: Manifest,
  call: Call,
): Promise<InspectedPlatform> {
  const { digest, mediaType, size } = manifest.config;
  // An artifact's config is whatever its maker likes.
  const isImage = mediaType === MediaType.config || mediaType === MediaType.dockerConfig;
  const config: ImageConfig = isImage ? await readConfig(store, manifest, call) : { env: new Map() };
  const { os, architecture, variant, created, diffIds } = config;
  const own = os && architecture ? { os, architecture, ...(variant ? { variant } : {}) } : undefined;
  const platform = d.platform ?? own;
  return {
    platform: platform ? formatPlatform(platform) : "unknown",
    digest: d.digest,
    mediaType: manifest.mediaType,
    size: d.size,
    annotations: manifest.annotations,
    config: { digest, mediaType, size, ...(created === undefined ? {} : { created }) },
    env: Object.fromEntries(config.env),
    layers: manifest.layers.map((layer, i) => inspectLayer(layer, diffIds?.[i])),
  };
}

function inspectLayer(layer: Descriptor, diffId: Digest | undefined): InspectedLayer {
  return {
    digest: layer.digest,
    mediaType: layer.mediaType,
    compression: layerCompression(layer.mediaType) ?? "unknown",
    size: layer.size,
    ...(diffId === undefined ? {} : { diffId }),
    annotations: layer.annotations ?? {},
  };
}
