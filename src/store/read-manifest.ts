import type { Call } from "../base/index.ts";
import {
  type Descriptor,
  formatPlatform,
  hostPlatform,
  type ImageConfig,
  type Index,
  isIndexType,
  isManifestLike,
  type Manifest,
  OciError,
  type Platform,
  parseConfig,
  parseManifestOrIndex,
  platformScore,
  type Store,
} from "../oci/index.ts";
import { readSmall } from "./read-small.ts";

/** How deep indexes may lie in indexes. Real ones: one, rarely two. */
export const INDEX_DEPTH = 8;

/** One platform's manifest, with what led to it. */
export interface ResolvedManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  /** The bytes that were hashed. */
  readonly bytes: Uint8Array;
  /** What the reference itself names: an index, or the manifest again. */
  readonly root: Descriptor;
}

/** Reads a manifest or index with the bytes that it is a view of. @throws OciError `manifest-invalid`, StoreError */
export async function readManifest(
  store: Store,
  d: Descriptor,
  call: Call,
): Promise<{ view: Manifest | Index; bytes: Uint8Array }> {
  const what = `${store.origin}: ${d.digest}`;
  if (!isManifestLike(d.mediaType)) {
    throw new OciError("media-type-unknown", `${what} is of type ${d.mediaType}: not an image`);
  }
  const bytes = await readSmall(store, d, call);
  return { view: parseManifestOrIndex(bytes, d.mediaType, what), bytes };
}

/** The image config of a manifest. @throws OciError `config-invalid`, StoreError */
export async function readConfig(store: Store, manifest: Manifest, call: Call): Promise<ImageConfig> {
  const d = manifest.config;
  return parseConfig(await readSmall(store, d, call), `${store.origin}: config ${d.digest}`);
}

/**
 * The manifest that a node of `platform` (default: this machine's) would use. A manifest named directly is taken as
 * it is, as containerd does; an entry that names no platform serves where no other does.
 * @throws OciError `platform-missing`, whose hint lists the platforms that are there
 */
export async function resolveManifest(
  store: Store,
  tagOrDigest: string,
  call: Call,
  platform: Platform = hostPlatform(),
): Promise<ResolvedManifest> {
  const root = await store.resolve(tagOrDigest, call);
  let descriptor = root;
  for (let depth = 0; depth <= INDEX_DEPTH; depth++) {
    const { view, bytes } = await readManifest(store, descriptor, call);
    if (view.kind === "manifest") return { descriptor, manifest: view, bytes, root };
    descriptor = choose(view, platform, `${store.origin}: ${tagOrDigest}`);
  }
  throw new OciError("manifest-invalid", `${store.origin}: ${tagOrDigest}: indexes lie too deep in indexes`);
}

function choose(index: Index, platform: Platform, what: string): Descriptor {
  let best: Descriptor | undefined;
  let bestScore = 0;
  for (const d of index.manifests) {
    if (!isManifestLike(d.mediaType)) continue;
    const score = d.platform === undefined ? anyPlatform(d) : platformScore(d.platform, platform);
    if (score > bestScore) {
      best = d;
      bestScore = score;
    }
  }
  if (best !== undefined) return best;
  const there = new Set(index.manifests.flatMap((d) => (d.platform ? [formatPlatform(d.platform)] : [])));
  throw new OciError("platform-missing", `${what} has nothing for ${formatPlatform(platform)}`, {
    hint: there.size === 0 ? "the index is empty" : `it has ${[...there].join(", ")}`,
  });
}

/** Below every real match (1 and 2); a nested index, which usually has no platform, before a bare manifest. */
function anyPlatform(d: Descriptor): number {
  return isIndexType(d.mediaType) ? 0.5 : 0.25;
}
