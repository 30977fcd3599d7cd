import { BaseError, type Call } from "../base/index.ts";
import { type Descriptor, type Digest, isManifestLike, type Store, StoreError } from "../oci/index.ts";
import { inParallel } from "./in-parallel.ts";
import { CONTENTS_LIMIT } from "./walk.ts";

/**
 * What refers to any of `subjects` and was not seen before; then it is. Lists may name what was deleted meanwhile: only what is
 * there counts.
 * @throws StoreError `unsupported`; BaseError `too-large`
 */
export async function newReferrers(
  source: Store,
  subjects: readonly Digest[],
  seen: Set<Digest>,
  limit: number,
  call: Call,
): Promise<readonly Descriptor[]> {
  const { referrers } = source.can;
  if (referrers === undefined) {
    throw new StoreError("unsupported", `${source.origin} does not know what refers to an image`);
  }
  for (const subject of subjects) seen.add(subject);
  const found = new Map<Digest, Descriptor>();
  await inParallel(subjects, limit, call, async (subject, part) => {
    for await (const d of referrers.referrers(subject, part)) {
      if (seen.has(d.digest) || !isManifestLike(d.mediaType)) continue;
      seen.add(d.digest);
      if (seen.size > CONTENTS_LIMIT) {
        throw new BaseError("too-large", `${source.origin}: more than ${CONTENTS_LIMIT} referrers`);
      }
      if (await (source.can.mirrors ?? source).has(d, part)) found.set(d.digest, d);
    }
  });
  return [...found.values()];
}
