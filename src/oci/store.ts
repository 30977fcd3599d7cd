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
  put(d: Descriptor, source: ByteSource, call: Call): Promise<void>;
  /** Stores content whose digest is not known yet, in one pass, and says what it is. */
  ingest(mediaType: string, source: ByteSource, call: Call): Promise<Descriptor>;
  /** Points a tag at a manifest or index that the store has. */
  tag(name: string, d: Descriptor, call: Call): Promise<void>;
}

/** What only some stores can do. */
export interface Capabilities {
  readonly tags?: Tags;
  readonly delete?: Deletes;
  readonly referrers?: Referrers;
  readonly mount?: BlobMount;
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
  /** The manifests whose `subject` is `subject`. */
  referrers(subject: Digest, call: Call): AsyncIterable<Descriptor>;
}

export interface BlobMount {
  /** Takes the blob from another repository of the same registry without sending it; false where that failed. */
  mount(d: Descriptor, from: Store, call: Call): Promise<boolean>;
}
