import { type Call, ImgvolError } from "../base/index.ts";
import type { Descriptor, Digest, Platform, Store } from "../oci/index.ts";
import { resolveManifest } from "../store/index.ts";
import { inParallel } from "./in-parallel.ts";
import { manifestOrMend } from "./mend.ts";
import { newReferrers } from "./referrers.ts";
import { CopySides, type Outcome } from "./sides.ts";
import { type Graph, walk } from "./walk.ts";

export interface CopyOptions {
  /** Copies this platform's manifest alone, not the index that lists it; by default all of them, and the index. */
  readonly platform?: Platform | undefined;
  /** Copies what refers to the image and to its parts too (signatures, SBOMs), and what refers to that. */
  readonly referrers?: boolean | undefined;
  /** Sends everything, also what the destination says it has: that may be damaged there. */
  readonly force?: boolean | undefined;
  /** What the image has to be: anything else is refused before any of it is sent. */
  readonly digest?: Digest | undefined;
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
  /** Taken by the registry from another of its repositories, without a byte sent. */
  readonly mounted: number;
  /** Foreign layers that the source does not hold. */
  readonly foreign: number;
  /** Manifests that refer to the image, or to another referrer: among those that were copied or skipped. */
  readonly referrers: number;
  /** The index that `platform` was chosen from: it, and what refers to it, was left. */
  readonly index?: Digest;
  /** Of what was copied. */
  readonly bytes: number;
}

type Counts = { -readonly [K in "copied" | "skipped" | "mounted" | "foreign" | "bytes"]: CopyResult[K] };

/**
 * Copies what `tagOrDigest` names in `source`, with everything below it, into `destination`, and then tags it there: push, pull,
 * save, load and cache are this. Children come before their parents and the tag last, so that whatever can be seen in the
 * destination is whole. What is there is skipped, but looked at, all the way down: a copy mends a destination that lost
 * something. Manifests arrive as the bytes that were hashed.
 *
 * Referrers come after what they refer to, and before the tag; one that the source lists but lost is left out.
 *
 * A foreign layer (one with `urls`, image-spec, layer.md) is copied where the source holds it, and else left out; its urls are
 * never fetched.
 *
 * @throws CopyError, which says the side that failed, with that side's code; OciError `platform-missing`; ImgvolError
 * `destination-pinned`
 */
export async function copy(
  source: Store,
  tagOrDigest: string,
  destination: Store,
  tag: string | undefined,
  options: CopyOptions,
  call: Call,
): Promise<CopyResult> {
  const sides = new CopySides(source, destination, options.force ?? false);
  const limit = options.concurrency ?? 4;
  const { descriptor: root, root: named } = await sides.fromSource(async () => {
    if (options.platform !== undefined)
      return await resolveManifest(source, tagOrDigest, call, options.platform);
    const descriptor = await source.resolve(tagOrDigest, call);
    return { descriptor, root: descriptor };
  });
  if (options.digest !== undefined && options.digest !== root.digest) {
    throw new ImgvolError(
      "destination-pinned",
      `${destination.origin}@${options.digest} cannot be ${root.digest}`,
      {
        hint: "leave the digest of the destination out, or ask the source for that one",
      },
    );
  }
  const graph = await sides.fromSource(() => walk(source, [root], limit, call));
  const done: Counts = { copied: 0, skipped: 0, mounted: 0, foreign: 0, bytes: 0 };
  const sent = new Set<Digest>();
  await send(sides, graph, limit, sent, done, call);

  // Each round is about what the one before brought.
  const seen = new Set<Digest>();
  let subjects = options.referrers ? manifestsOf(graph) : [];
  let referrers = 0;
  while (subjects.length > 0) {
    const found = await sides.fromSource(() => newReferrers(source, subjects, seen, limit, call));
    const more = await sides.fromSource(() => walk(source, found, limit, call));
    await send(sides, more, limit, sent, done, call);
    referrers += found.length;
    subjects = manifestsOf(more);
  }
  if (tag !== undefined) await sides.tag(tag, root, bytesOf(graph, root), call);
  else await sides.intoDestination(async () => await destination.can.roots?.add(root, call));
  const index = named.digest === root.digest ? {} : { index: named.digest };
  return { digest: root.digest, descriptor: root, ...index, ...done, referrers };
}

/** Sends blobs first, then manifests, children before their parents: what was not `sent` before. */
async function send(
  sides: CopySides,
  graph: Graph,
  limit: number,
  sent: Set<Digest>,
  done: Counts,
  call: Call,
): Promise<void> {
  const each = async (
    contents: readonly Descriptor[],
    work: (d: Descriptor, part: Call) => Promise<Outcome>,
  ): Promise<void> => {
    const fresh = contents.filter((d) => !sent.has(d.digest));
    await inParallel(fresh, limit, call, async (d, part) => {
      const outcome = await work(d, part);
      sent.add(d.digest);
      done[outcome]++;
      if (outcome === "copied") done.bytes += d.size;
    });
  };
  await each(graph.blobs, (d, part) => sides.blob(d, part));
  for (const generation of graph.generations) {
    await each(generation, (d, part) => manifestOrMend(sides, d, bytesOf(graph, d), part));
  }
  await inParallel(graph.references, limit, call, ({ subject, as }, part) => sides.enlist(subject, as, part));
}

function manifestsOf(graph: Graph): readonly Digest[] {
  return graph.generations.flat().map((d) => d.digest);
}

function bytesOf(graph: Graph, d: Descriptor): Uint8Array {
  const bytes = graph.bytes.get(d.digest);
  if (bytes === undefined) throw new Error(`${d.digest} was not walked`);
  return bytes;
}
