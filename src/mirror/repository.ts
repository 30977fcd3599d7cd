import { type Call, fromBytes, messageOf, unlessAborted } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  isDigest,
  isManifestLike,
  type Store,
  StoreError,
} from "../oci/index.ts";
import {
  type Backing,
  Gate,
  Recent,
  RegistryError,
  type Repository,
  recordOf,
  within,
} from "../registry/index.ts";
import { readManifest } from "../store/index.ts";
import type { MirrorCache } from "./cache.ts";
import type { Downloads } from "./downloads.ts";
import type { Tally } from "./figures.ts";
import { Kept } from "./kept.ts";
import { listTags } from "./list-tags.ts";
import type { Once } from "./once.ts";
import type { Outages } from "./outages.ts";
import type { MirrorTags } from "./tags.ts";
import { explained, isOutOfReach } from "./upstream.ts";

/** What all repositories of a mirror share. */
export interface Shared {
  readonly local: Backing;
  readonly cache: MirrorCache;
  readonly downloads: Downloads;
  readonly tally: Tally;
  /** Those on their way: several tags and clients may want one at a time. */
  readonly manifests: Once<Descriptor>;
  readonly tags: MirrorTags;
  readonly outages: Outages;
  /** For work that goes on when the client who asked first has gone. */
  readonly lifetime: Call;
}

/**
 * A repository of an upstream, with what of it is here. Its gate is its own: looking into it may wait for the upstream, and
 * must not keep those waiting who work on what is here.
 */
export function mirrorRepository(name: string, upstream: Store, shared: Shared): Repository {
  const mirrored = new Mirrored(name, upstream, shared);
  return {
    name,
    gate: new Gate(name),
    recent: new Recent(),
    store: {
      origin: upstream.origin,
      can: { tags: { list: (call) => mirrored.tags(call) } },
      resolve: (tagOrDigest, call) =>
        isDigest(tagOrDigest) ? mirrored.content(tagOrDigest, call) : mirrored.tag(tagOrDigest, call),
      has: (d, call) => mirrored.has(d, call),
      read: (d, call, from = 0) => mirrored.read(d, from, call),
      put: readOnly,
      ingest: readOnly,
      tag: readOnly,
      async [Symbol.asyncDispose]() {},
    },
    manifests: {
      get: (digest) => mirrored.manifest(digest),
      set: readOnly,
      delete: readOnly,
      referrers: (subject) => mirrored.referrers(subject),
    },
  };
}

async function readOnly(): Promise<never> {
  throw new RegistryError("read-only", "this registry mirrors others: push there");
}

class Mirrored {
  readonly #name: string;
  readonly #upstream: Store;
  readonly #shared: Shared;
  readonly #kept: Kept;
  /** Those that this request was told of: they may go again before it reads them, and are no blobs. */
  readonly #manifests = new Map<Digest, Descriptor>();

  constructor(name: string, upstream: Store, shared: Shared) {
    this.#name = name;
    this.#upstream = upstream;
    this.#shared = shared;
    this.#kept = new Kept(name, shared);
  }

  tag(tag: string, call: Call): Promise<Descriptor> {
    const { cache, lifetime, tags } = this.#shared;
    return tags.resolve(
      {
        what: `${this.#name}:${tag}`,
        local: () => this.#kept.find(tag),
        renew: async () => {
          const d = await this.#ask(() => this.#upstream.resolve(tag, lifetime));
          // Until it has its tag: nothing takes it away in between.
          using _held = cache.hold(this.#name, d.digest);
          await this.#keep(d);
          await this.#kept.tag(tag, d);
          return d;
        },
        forget: () => this.#kept.untag(tag),
      },
      call.signal,
    );
  }

  /** A manifest by its digest: one that is here is never asked for again. */
  async manifest(digest: Digest): Promise<Descriptor | undefined> {
    const local = await this.#kept.repository();
    const recorded = await local?.manifests.get(digest);
    if (recorded !== undefined && (await this.#kept.find(digest)) !== undefined) {
      this.#manifests.set(digest, recorded);
      return recorded;
    }
    try {
      const d = await this.#keep(
        await this.#asked(digest, () => this.#upstream.resolve(digest, this.#shared.lifetime)),
      );
      this.#manifests.set(digest, d);
      return d;
    } catch (error) {
      if (error instanceof StoreError && error.code === "not-found") return undefined;
      throw error;
    }
  }

  /** Any content by its digest: what is not here is a blob, as manifests are asked for by {@link manifest} first. */
  async content(digest: Digest, call: Call): Promise<Descriptor> {
    const there =
      this.#manifests.get(digest) ??
      (await this.#kept.find(digest)) ??
      this.#shared.downloads.underway(this.#name, digest);
    if (there !== undefined) return there;
    const { stat } = this.#upstream.can;
    if (stat === undefined) throw new StoreError("not-found", `${this.#upstream.origin} has no ${digest}`);
    return await this.#asked(digest, () => stat.blob(digest, call));
  }

  async has(d: Descriptor, call: Call): Promise<boolean> {
    // A referrer, that the upstream lists: it is fetched when somebody wants it.
    if (isManifestLike(d.mediaType)) return true;
    try {
      return (await this.content(d.digest, call)).size === d.size;
    } catch (error) {
      if (error instanceof StoreError && error.code === "not-found") return false;
      throw error;
    }
  }

  async *read(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    const { cache, downloads, tally } = this.#shared;
    const isBlob = !isManifestLike(d.mediaType);
    // Before the look: nothing takes it away in between.
    using _held = cache.hold(this.#name, d.digest);
    if (!isBlob) await unlessAborted(this.#keep(d), call.signal);
    for (;;) {
      const local = await this.#kept.repository();
      if (local !== undefined && (await this.#kept.has(local, d))) {
        if (isBlob) tally.read("cache");
        yield* local.store.read(d, call, from);
        return;
      }
      using reader = await downloads.join(this.#name, this.#upstream, d, call);
      if (reader === undefined) continue;
      tally.read("upstream");
      yield* reader.read(from, call);
      return;
    }
  }

  tags(call: Call): AsyncIterable<string> {
    const { cache, tags, lifetime } = this.#shared;
    const [name, upstream, kept] = [this.#name, this.#upstream, this.#kept];
    return listTags({ name, upstream, kept, lists: cache.tagLists, tags, lifetime }, call);
  }

  async referrers(subject: Digest): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    try {
      const { referrers } = this.#upstream.can;
      for await (const d of referrers?.referrers(subject, this.#shared.lifetime) ?? []) found.push(d);
    } catch (cause) {
      throw explained(cause, this.#name, this.#shared.lifetime);
    }
    return found.sort((a, b) => (a.digest < b.digest ? -1 : 1));
  }

  /** Asks for what is not here, and tells the operator where it cannot be had. */
  async #asked<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#ask(work);
    } catch (error) {
      if (isOutOfReach(error)) this.#shared.outages.tell(`${this.#name}@${digest}`, messageOf(error));
      throw error;
    }
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      this.#shared.outages.over(this.#name);
      return answer;
    } catch (cause) {
      const error = explained(cause, this.#name, this.#shared.lifetime);
      if (!isOutOfReach(error)) this.#shared.outages.over(this.#name);
      throw error;
    }
  }

  /** Fetches a manifest, where it is not here. */
  #keep(d: Descriptor): Promise<Descriptor> {
    return this.#shared.manifests.run(`${this.#name}@${d.digest}`, async () => {
      const { cache, lifetime, local } = this.#shared;
      if ((await this.#kept.find(d.digest)) !== undefined) return d;
      const { bytes, view } = await this.#asked(d.digest, () => readManifest(this.#upstream, d, lifetime));
      await cache.makeRoom(d.size);
      using _held = cache.hold(this.#name, d.digest);
      cache.note(this.#name, d);
      await within({ backing: local, name: this.#name, call: lifetime }, (to) =>
        to.gate.shared(async () => {
          to.recent.note(d.digest);
          await to.manifests.set(recordOf(view, d));
          await to.store.put(d, fromBytes(bytes), lifetime);
        }),
      );
      return d;
    });
  }
}
