import type { ByteSource, Call } from "../base/index.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";

/** A place that holds content by digest, and tags that name it: memory, layout folder, archive, registry. */
export interface Store extends AsyncDisposable {
  /** For messages: `oci:DIR`, `registry/repository`, `memory`. */
  readonly origin: string;
  readonly can: Capabilities;
  /** What a tag or digest names. @throws StoreError `not-found` */
  resolve(tagOrDigest: string, call: Call): Promise<Descriptor>;
  has(d: Descriptor, call: Call): Promise<boolean>;
  /**
   * The content's bytes, from offset `from` on (default 0).
   * A full read throws StoreError `digest-mismatch` or `size-mismatch` at its end where the bytes are wrong.
   */
  read(d: Descriptor, call: Call, from?: number): AsyncIterable<Uint8Array>;
  /** Stores content whose digest is known; it is verified before it is visible. Storing what is there is no error. */
  put(d: Descriptor, source: ByteSource, call: Call, how?: PutOptions): Promise<void>;
  /** Stores content whose digest is not known yet, in one pass, and says what it is. */
  ingest(mediaType: string, source: ByteSource, call: Call): Promise<Descriptor>;
  /** Points a tag at a manifest or index that the store has. */
  tag(name: string, d: Descriptor, call: Call): Promise<void>;
}

export interface PutOptions {
  /** What the store has by that digest is not relied on, but written over: it may be damaged. */
  readonly replace?: boolean;
}

/** What only some stores can do. */
export interface Capabilities {
  readonly tags?: Tags;
  readonly delete?: Deletes;
  readonly referrers?: Referrers;
  readonly roots?: Roots;
  readonly mount?: BlobMount;
  readonly stat?: BlobStat;
  readonly mirrors?: Mirrors;
}

export interface Tags {
  /** In lexical order. */
  list(call: Call): AsyncIterable<string>;
}

export interface Deletes {
  untag(name: string, call: Call): Promise<void>;
  /** With its tags. */
  delete(d: Descriptor, call: Call): Promise<void>;
}

export interface Referrers {
  /** The manifests whose `subject` is `subject`, with their artifactType and annotations; of one type where it is given. */
  referrers(subject: Digest, call: Call, artifactType?: string): AsyncIterable<Descriptor>;
  /**
   * Sees to it that a manifest which is there is listed among the referrers of its subject. Absent where a store knows by
   * itself; a copy calls it for every manifest that has a subject.
   */
  enlist?(subject: Digest, d: Descriptor, call: Call): Promise<void>;
}

/** Where other tools start reading a layout or an archive: what its index.json lists, with a tag or without. */
export interface Roots {
  list(call: Call): AsyncIterable<Descriptor>;
  /** Lists a manifest that is there, without a tag. An archive becomes a file, or another one, by this or by a tag. */
  add(d: Descriptor, call: Call): Promise<void>;
}

export interface BlobMount {
  /** Takes the blob from another repository of the same registry without sending it; false where that failed. */
  mount(d: Descriptor, from: Store, call: Call): Promise<boolean>;
}

/**
 * Where several hosts stand in for one another: a registry and its mirrors. What they give is seen to be wrong when its last
 * byte has come; whoever can begin anew has it passed over, and reads it again.
 */
export interface Mirrors {
  /** Whether any of them gives it. `Store.has` says whether it need not be pushed, which only the registry itself knows. */
  has(d: Descriptor, call: Call): Promise<boolean>;
  /** The mirror that gave `d` when it was last read, or its beginning; undefined where nobody else is left to be asked. */
  giver(d: Descriptor): string | undefined;
  /** What the giver gave was wrong: it is not asked for `d` again. @returns whether to read `d` again is to ask another one */
  passOver(d: Descriptor, call: Call): boolean;
}

/** Where what a digest names depends on how it is asked for: a registry has blobs and manifests apart. */
export interface BlobStat {
  /** What is known of a blob of which only the digest is. @throws StoreError `not-found` */
  blob(digest: Digest, call: Call): Promise<Descriptor>;
}
