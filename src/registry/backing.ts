import type { ByteSource, Call } from "../base/index.ts";
import type { Descriptor, Digest, Store } from "../oci/index.ts";
import type { Gate } from "./gate.ts";
import type { Recent } from "./recent.ts";

/** Where a registry keeps its repositories: the port that `memoryBacking` and `folderBacking` implement. */
export interface Backing extends AsyncDisposable {
  /** For messages. */
  readonly origin: string;
  /** Undefined where nothing was ever stored under that name. `name` has passed the grammar. */
  find(name: string, call: Call): Promise<Repository | undefined>;
  /** The repository, made where it is missing. */
  create(name: string, call: Call): Promise<Repository>;
  /** The names of all repositories, in lexical order. */
  names(call: Call): AsyncIterable<string>;
  /**
   * Gives `to` a blob of `from` without copying its bytes; false where that cannot be, and the bytes must be copied.
   */
  link(to: Repository, from: Repository, digest: Digest): Promise<boolean>;
  /** A private place for the bytes of one upload. */
  spool(call: Call): Promise<Spool>;
}

/** One repository. */
export interface Repository {
  readonly name: string;
  /** Blobs, manifests and tags. `resolve` of a digest tells the size of any content that it has. */
  readonly store: Store;
  /** What the store's content is: a manifest that was pushed as such, or just bytes that look like one. */
  readonly manifests: ManifestRecords;
  /** Passed by all who add, rely on, or take away content. */
  readonly gate: Gate;
  readonly recent: Recent;
}

/**
 * The manifests of a repository, and what each refers to. A record is written before its content and removed after it, so
 * that content which can be seen has its record, and a client that finds it there need not push it again. A record without
 * content says nothing.
 */
export interface ManifestRecords {
  get(digest: Digest): Promise<Descriptor | undefined>;
  /** Durable when it returns. */
  set(record: ManifestRecord): Promise<void>;
  delete(digest: Digest): Promise<void>;
  /** The manifests whose subject is `subject`, by digest. */
  referrers(subject: Digest): Promise<readonly Descriptor[]>;
}

export interface ManifestRecord {
  /** As the referrers API lists it: with its artifactType and annotations. */
  readonly descriptor: Descriptor;
  readonly subject?: Digest;
}

/** The bytes of an upload so far; removed on dispose. */
export interface Spool extends ByteSource, AsyncDisposable {
  readonly size: number;
  /**
   * Makes the bytes a blob of `to` as they lie, durably; false where they must be copied. Only for bytes whose digest
   * was checked while they came in.
   */
  adopt(to: Repository, digest: Digest): Promise<boolean>;
  /** Adds to the end. The chunk may be reused when it returns. */
  append(chunk: Uint8Array): Promise<void>;
  /** Forgets what lies behind `size`. */
  truncate(size: number): Promise<void>;
}
