import { type Call, isAbort, printableTo } from "../base/index.ts";
import { type Descriptor, formatPlatform, isManifestLike, type Manifest, MediaType } from "../oci/index.ts";
import { find, type Repository } from "../registry/index.ts";
import { readConfig, readManifest } from "../store/index.ts";

/** What a person wants to know of a tag. */
export interface Summary {
  readonly tag: string;
  readonly digest: string;
  /** An image for one platform, an index of several, or something that is no image. */
  readonly kind: "image" | "index" | "artifact";
  /** What kind of artifact it is: its type. */
  readonly type: string;
  readonly platforms: readonly string[];
  /** Bytes of all that the tag leads to and is here, what is shared counted once. */
  readonly size: number;
  /** Manifests of an index that are not here. */
  readonly missing: number;
  readonly created: Date | undefined;
}

/** Of an index with more manifests only these are looked into. */
const MOST = 64;
/** Times before this are no times: reproducible builds write the epoch. */
const EARLIEST = Date.UTC(1990, 0);

interface Seen {
  readonly sizes: Map<string, number>;
  readonly platforms: Set<string>;
  created: Date | undefined;
  missing: number;
}

/** Undefined where the tag is gone by now, or what it names cannot be read. */
export async function summarize(
  repository: Repository,
  tag: string,
  call: Call,
): Promise<Summary | undefined> {
  try {
    const root = await find(repository, tag, call);
    if (root === undefined) return undefined;
    const { store } = repository;
    const { view } = await readManifest(store, root, call);
    const seen: Seen = { sizes: new Map(), platforms: new Set(), created: undefined, missing: 0 };
    seen.sizes.set(root.digest, root.size);
    seen.created = timeOf(view.annotations["org.opencontainers.image.created"]);
    if (view.kind === "manifest") await addManifest(repository, view, undefined, seen, call);
    else await addIndex(repository, view.manifests.slice(0, MOST), seen, call);
    const artifact = view.kind === "manifest" && !isImage(view);
    return {
      tag,
      digest: root.digest,
      kind: view.kind === "index" ? "index" : artifact ? "artifact" : "image",
      type: plain(view.artifactType ?? (view.kind === "manifest" ? view.config.mediaType : view.mediaType)),
      platforms: [...seen.platforms].map(plain),
      size: [...seen.sizes.values()].reduce((sum, size) => sum + size, 0),
      missing: seen.missing,
      created: seen.created,
    };
  } catch (error) {
    if (isAbort(error)) throw error;
    return undefined;
  }
}

async function addIndex(
  repository: Repository,
  manifests: readonly Descriptor[],
  seen: Seen,
  call: Call,
): Promise<void> {
  for (const d of manifests) {
    if (!isManifestLike(d.mediaType)) continue;
    // What build tools attest of an image lies beside it as a platform that is none.
    if (d.platform !== undefined && d.platform.os !== "unknown")
      seen.platforms.add(formatPlatform(d.platform));
    if ((await find(repository, d.digest, call)) === undefined) {
      seen.missing++;
      continue;
    }
    seen.sizes.set(d.digest, d.size);
    const { view } = await readManifest(repository.store, d, call);
    if (view.kind === "manifest") await addManifest(repository, view, d, seen, call);
  }
}

async function addManifest(
  { store }: Repository,
  manifest: Manifest,
  listed: Descriptor | undefined,
  seen: Seen,
  call: Call,
): Promise<void> {
  for (const d of [manifest.config, ...manifest.layers]) seen.sizes.set(d.digest, d.size);
  if (!isImage(manifest)) return;
  // What lies here was put here by anyone: a config that cannot be read makes no page unreadable.
  const config = await readConfig(store, manifest, call).catch(() => undefined);
  if (listed?.platform === undefined && config?.os !== undefined && config.architecture !== undefined) {
    const { os, architecture, variant } = config;
    seen.platforms.add(formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) }));
  }
  seen.created ??= timeOf(config?.created);
}

/** Words of strangers: short, and with nothing that turns the words beside them round. */
function plain(text: string): string {
  return printableTo(text, 100);
}

function isImage({ config }: Manifest): boolean {
  return config.mediaType === MediaType.config || config.mediaType === MediaType.dockerConfig;
}

function timeOf(text: string | undefined): Date | undefined {
  const time = Date.parse(text ?? "");
  return time >= EARLIEST ? new Date(time) : undefined;
}
