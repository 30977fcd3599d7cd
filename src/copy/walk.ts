import { BaseError, type Call } from "../base/index.ts";
import {
  asReferrer,
  type Descriptor,
  type Digest,
  isManifestLike,
  OciError,
  type Store,
} from "../oci/index.ts";
import { INDEX_DEPTH, readManifest } from "../store/index.ts";
import { inParallel } from "./in-parallel.ts";

/** What hangs together below one descriptor, each content once. */
export interface Graph {
  /** Configs, layers, and what an index lists that is no manifest. */
  readonly blobs: readonly Descriptor[];
  /** Manifests and indexes: each generation refers only to the ones before it. */
  readonly generations: readonly (readonly Descriptor[])[];
  /** The bytes of the manifests and indexes. */
  readonly bytes: ReadonlyMap<Digest, Uint8Array>;
  /** Those that refer to a subject, as lists of referrers show them. */
  readonly references: readonly { readonly subject: Digest; readonly as: Descriptor }[];
}

/** A large real index has a few hundred entries; these stop a hostile one. */
export const CONTENTS_LIMIT: number = 20_000;
const BYTES_LIMIT = 64 * 1024 * 1024;

interface Node {
  readonly d: Descriptor;
  readonly bytes: Uint8Array;
  readonly children: readonly Descriptor[];
  readonly subject: Digest | undefined;
  readonly as: Descriptor;
}

/**
 * Reads every manifest below `roots`, level by level.
 * @throws BaseError `too-large` for more than the limits; OciError `manifest-invalid`; StoreError `not-found` for a child
 * that is missing
 */
export async function walk(
  store: Store,
  roots: readonly Descriptor[],
  limit: number,
  call: Call,
): Promise<Graph> {
  const nodes = new Map<Digest, Node>();
  const blobs = new Map<Digest, Descriptor>();
  let size = 0;
  let level = roots;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > INDEX_DEPTH + 1) {
      throw new OciError(
        "manifest-invalid",
        `${store.origin}: ${roots[0]?.digest}: indexes lie too deep in indexes`,
      );
    }
    const next = new Map<Digest, Descriptor>();
    await inParallel(level, limit, call, async (d, part) => {
      size += d.size;
      if (size > BYTES_LIMIT) throw tooLarge(store, roots, `${BYTES_LIMIT} bytes of manifests`);
      const { view, bytes } = await readManifest(store, d, part);
      const children = view.kind === "index" ? view.manifests.filter((c) => isManifestLike(c.mediaType)) : [];
      nodes.set(d.digest, { d, bytes, children, subject: view.subject?.digest, as: asReferrer(d, view) });
      for (const child of children) if (!nodes.has(child.digest)) next.set(child.digest, child);
      const leaves =
        view.kind === "index"
          ? view.manifests.filter((c) => !isManifestLike(c.mediaType))
          : [view.config, ...view.layers];
      for (const leaf of leaves) blobs.set(leaf.digest, leaf);
      if (nodes.size + next.size + blobs.size > CONTENTS_LIMIT) {
        throw tooLarge(store, roots, `${CONTENTS_LIMIT} contents`);
      }
    });
    level = [...next.values()].filter((d) => !nodes.has(d.digest));
  }
  const bytes = new Map([...nodes].map(([digest, node]) => [digest, node.bytes]));
  const references = [...nodes.values()].flatMap(({ subject, as }) => (subject ? [{ subject, as }] : []));
  return { blobs: [...blobs.values()], generations: generationsOf(nodes), bytes, references };
}

/** By height above the leaves: digests admit no cycle, so every child is lower than its parents. */
function generationsOf(nodes: ReadonlyMap<Digest, Node>): readonly (readonly Descriptor[])[] {
  const heights = new Map<Digest, number>();
  function heightOf(digest: Digest): number {
    const known = heights.get(digest);
    if (known !== undefined) return known;
    const children = nodes.get(digest)?.children ?? [];
    const height = children.reduce((most, child) => Math.max(most, heightOf(child.digest) + 1), 0);
    heights.set(digest, height);
    return height;
  }
  const generations: Descriptor[][] = [];
  for (const [digest, node] of nodes) {
    const height = heightOf(digest);
    while (generations.length <= height) generations.push([]);
    generations[height]?.push(node.d);
  }
  return generations;
}

function tooLarge(store: Store, roots: readonly Descriptor[], what: string): BaseError {
  return new BaseError("too-large", `${store.origin}: ${roots[0]?.digest} refers to more than ${what}`);
}
