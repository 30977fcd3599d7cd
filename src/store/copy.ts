import type { Call } from "../base/index.ts";
import type { Descriptor, Digest, Platform, Store } from "../oci/index.ts";
import { CopySides } from "./copy-sides.ts";
import { type Graph, walk } from "./copy-walk.ts";
import { inParallel } from "./in-parallel.ts";
import { resolveManifest } from "./read-manifest.ts";

export interface CopyOptions {
  /** Copies this platform's manifest alone, not the index that lists it; by default all of them, and the index. */
  readonly platform?: Platform | undefined;
  /** How many blobs flow at a time (default 4). */
  readonly concurrency?: number | undefined;
}

/** What a copy did. Each content counts once, manifests too. */
export interface CopyResult {
  readonly digest: Digest;
  readonly descriptor: Descriptor;
  readonly copied: number;
  /** Was there already. */
  readonly skipped: number;
  /** Taken by the registry from another of its repositories. */
  readonly mounted: number;
  /** Foreign layers that the source does not hold. */
  readonly foreign: number;
  /** Of what was copied. */
  readonly bytes: number;
}

/**
 * Copies what `tagOrDigest` names in `source`, with everything below it, into `destination`, and then tags it there: push, pull,
 * save, load and cache are this. Children come before their parents and the tag last, so that whatever can be seen in the
 * destination is whole. What is there is skipped, but looked at, all the way down: a copy mends a destination that lost
 * something. Manifests arrive as the bytes that were hashed.
 *
 * A foreign layer (one with `urls`, image-spec, layer.md) is copied where the source holds it, and else left out; its urls are
 * never fetched.
 *
 * @throws CopyError, which says the side that failed, with that side's code; OciError `platform-missing`
 */
export async function copy(
  source: Store,
  tagOrDigest: string,
  destination: Store,
  tag: string | undefined,
  options: CopyOptions,
  call: Call,
): Promise<CopyResult> {
  const sides = new CopySides(source, destination);
  const limit = options.concurrency ?? 4;
  const root = await sides.fromSource(async () =>
    options.platform === undefined
      ? await source.resolve(tagOrDigest, call)
      : (await resolveManifest(source, tagOrDigest, call, options.platform)).descriptor,
  );
  const graph = await sides.fromSource(() => walk(source, root, limit, call));
  const done = { copied: 0, skipped: 0, mounted: 0, foreign: 0, bytes: 0 };

  await inParallel(graph.blobs, limit, call, async (d, part) => {
    const outcome = await sides.blob(d, part);
    done[outcome]++;
    if (outcome === "copied") done.bytes += d.size;
  });
  for (const generation of graph.generations) {
    await inParallel(generation, limit, call, async (d, part) => {
      const outcome = await sides.manifest(d, bytesOf(graph, d), part);
      done[outcome]++;
      if (outcome === "copied") done.bytes += d.size;
    });
  }
  if (tag !== undefined) await sides.intoDestination(() => destination.tag(tag, root, call));
  return { digest: root.digest, descriptor: root, ...done };
}

function bytesOf(graph: Graph, d: Descriptor): Uint8Array {
  const bytes = graph.bytes.get(d.digest);
  if (bytes === undefined) throw new Error(`${d.digest} was not walked`);
  return bytes;
}
