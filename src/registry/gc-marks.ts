import { type Call, collect } from "../base/index.ts";
import {
  type Digest,
  type Index,
  MANIFEST_LIMIT,
  type Manifest,
  OciError,
  parseManifestOrIndex,
  StoreError,
} from "../oci/index.ts";
import type { Repository } from "./backing.ts";
import type { Contents } from "./contents.ts";

/** What is kept beside what tags lead to. */
export interface Keeping {
  /** Manifests without a tag go too, unless something that is kept leads to them, or they refer to something that is. */
  readonly untagged: boolean;
  /** What came, or what a client was told is there, after this time (Unix, milliseconds). */
  readonly since: number;
}

/**
 * What of a repository is needed. `refresh` looks again, and reads only what is new: first while others work, then under the
 * gate, where nothing changes any more. What is marked once stays marked.
 */
export class Marks {
  readonly #repository: Repository;
  readonly #contents: Contents;
  readonly #keeping: Keeping;
  readonly #live = new Set<Digest>();
  /** Those of them whose own references are marked as well. */
  readonly #followed = new Set<Digest>();
  /** Manifests that are needed and not there: they may come. */
  readonly #absent = new Set<Digest>();
  /** What manifests that are not needed refer to; a digest's manifest never changes. */
  readonly #subjects = new Map<Digest, Digest | undefined>();
  #recorded: ReadonlySet<Digest> = new Set();
  #named: ReadonlySet<Digest> = new Set();

  constructor(repository: Repository, contents: Contents, keeping: Keeping) {
    this.#repository = repository;
    this.#contents = contents;
    this.#keeping = keeping;
  }

  has(digest: Digest): boolean {
    return this.#live.has(digest);
  }

  isRecorded(digest: Digest): boolean {
    return this.#recorded.has(digest);
  }

  /** By the index, with a tag or without. */
  isNamed(digest: Digest): boolean {
    return this.#named.has(digest);
  }

  /** @throws StoreError, OciError where a manifest is damaged: nobody knows what it needs */
  async refresh(call: Call): Promise<void> {
    const named = await this.#contents.named(call);
    this.#named = new Set(named.map(({ digest }) => digest));
    this.#recorded = new Set(await this.#contents.recorded());
    for (const digest of [...this.#absent]) await this.#follow(digest, call);
    for (const { digest, tagged } of named) {
      if (tagged || !this.#keeping.untagged) await this.#follow(digest, call);
    }
    const others = new Set([...this.#recorded, ...this.#named]);
    for (let before = -1; before !== this.#followed.size; ) {
      before = this.#followed.size;
      for (const digest of others) {
        if (!this.#followed.has(digest) && (await this.#isWanted(digest, call)))
          await this.#follow(digest, call);
      }
    }
  }

  async #isWanted(digest: Digest, call: Call): Promise<boolean> {
    const { untagged, since } = this.#keeping;
    if (!untagged || this.#live.has(digest) || this.#repository.recent.since(digest, since)) return true;
    // Looked at once: whatever comes later, or once more, is in `recent`, and there may be many thousands.
    if (!this.#subjects.has(digest)) {
      const came = (await this.#contents.lying(digest))?.since;
      if (came !== undefined && Math.max(came, await this.#written(digest)) > since) return true;
      // A record without content leads nowhere.
      const read = came === undefined ? undefined : await this.#read(digest, call);
      this.#subjects.set(digest, read?.subject?.digest);
    }
    const subject = this.#subjects.get(digest);
    return subject !== undefined && this.#live.has(subject);
  }

  async #written(digest: Digest): Promise<number> {
    return (await this.#contents.record(digest))?.written ?? Number.NEGATIVE_INFINITY;
  }

  /** Marks a manifest and all that it leads to. */
  async #follow(root: Digest, call: Call): Promise<void> {
    const ahead = [root];
    for (let digest = ahead.pop(); digest !== undefined; digest = ahead.pop()) {
      if (this.#followed.has(digest)) continue;
      this.#live.add(digest);
      const read = await this.#read(digest, call);
      if (read === undefined) {
        this.#absent.add(digest);
        continue;
      }
      this.#absent.delete(digest);
      this.#followed.add(digest);
      if (read.kind === "index") ahead.push(...read.manifests.map((d) => d.digest));
      if (read.kind === "manifest") {
        for (const { digest: needed } of [read.config, ...read.layers]) this.#live.add(needed);
      }
    }
  }

  /** Undefined where it is not there; `kind: "bytes"` is what an index names and is no manifest. */
  async #read(digest: Digest, call: Call): Promise<Manifest | Index | Bytes | undefined> {
    const size = (await this.#contents.lying(digest))?.size;
    if (size === undefined) return undefined;
    const must = this.#recorded.has(digest) || this.#named.has(digest);
    if (size > MANIFEST_LIMIT && !must) return BYTES;
    const d = { mediaType: "application/octet-stream", digest, size };
    try {
      const bytes = await collect(this.#repository.store.read(d, call), MANIFEST_LIMIT, digest);
      return parseManifestOrIndex(bytes, undefined, digest);
    } catch (error) {
      if (error instanceof StoreError && error.code === "not-found") return undefined;
      if (error instanceof OciError && !must) return BYTES;
      throw error;
    }
  }
}

interface Bytes {
  readonly kind: "bytes";
  readonly subject?: undefined;
}

const BYTES: Bytes = { kind: "bytes" };
