import {
  asReferrer,
  type Descriptor,
  type Digest,
  isDigest,
  isManifestLike,
  isOfType,
  OciError,
  parseManifestOrIndex,
  type Store,
  StoreError,
} from "../oci/index.ts";
import type { Medium } from "./medium.ts";
import { verified } from "./verified.ts";

interface Held {
  readonly mediaType: string;
  readonly size: number;
  /** As they came: to join them would take their memory twice. */
  readonly parts: readonly Uint8Array[];
}

export interface MemoryMedium extends Medium {
  /** Has bytes that lie in memory already, and were checked. They must not be changed any more. */
  adopt(d: Descriptor, parts: readonly Uint8Array[]): void;
}

/** A store that lives as long as the process: for tests, and for small images made on the fly. */
export function memoryStore(origin = "memory"): Store {
  return verified(memoryMedium(origin));
}

/** Where a memory store's bytes lie. */
export function memoryMedium(origin = "memory"): MemoryMedium {
  const contents = new Map<Digest, Held>();
  const tags = new Map<string, Descriptor>();

  function held(d: Descriptor): Held {
    const found = contents.get(d.digest);
    if (found !== undefined) return found;
    throw new StoreError("not-found", `${origin} has no ${d.digest}`);
  }

  return {
    origin,
    can: {
      tags: {
        async *list() {
          yield* [...tags.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        },
      },
      delete: {
        async untag(name) {
          if (!tags.delete(name)) throw new StoreError("not-found", `${origin} has no tag ${name}`);
        },
        async delete(d) {
          held(d);
          contents.delete(d.digest);
          for (const [name, to] of tags) if (to.digest === d.digest) tags.delete(name);
        },
      },
      referrers: {
        async *referrers(subject, _call, artifactType) {
          for (const [digest, content] of contents) {
            const found = referrerTo(subject, digest, content);
            if (found !== undefined && isOfType(found, artifactType)) yield found;
          }
        },
      },
    },
    async resolve(wanted) {
      if (isDigest(wanted)) {
        const found = contents.get(wanted);
        if (found !== undefined) return { mediaType: found.mediaType, digest: wanted, size: found.size };
      }
      const named = tags.get(wanted);
      if (named !== undefined) return named;
      throw new StoreError("not-found", `${origin} has no ${wanted}`);
    },
    has: async (d) => contents.get(d.digest)?.size === d.size,
    async *open(d, from) {
      let at = 0;
      for (const part of held(d).parts) {
        if (at + part.length > from) yield part.subarray(Math.max(from - at, 0));
        at += part.length;
      }
    },
    adopt({ mediaType, digest, size }, parts) {
      contents.set(digest, { mediaType, size, parts });
    },
    async write(content, call) {
      const parts: Uint8Array[] = [];
      // Copies: a source may use its buffer again.
      for await (const chunk of content.source.open(0, call)) parts.push(Buffer.from(chunk));
      const { digest, size } = content.seal();
      contents.set(digest, { mediaType: content.mediaType, size, parts });
    },
    async tag(name, d) {
      held(d);
      tags.set(name, { mediaType: d.mediaType, digest: d.digest, size: d.size });
    },
    async [Symbol.asyncDispose]() {},
  };
}

function referrerTo(
  subject: Digest,
  digest: Digest,
  { mediaType, size, parts }: Held,
): Descriptor | undefined {
  if (!isManifestLike(mediaType)) return undefined;
  try {
    const view = parseManifestOrIndex(Buffer.concat(parts), mediaType);
    if (view.subject?.digest !== subject) return undefined;
    return asReferrer({ mediaType, digest, size }, view);
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
