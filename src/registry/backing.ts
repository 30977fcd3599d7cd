import type { ByteSource, Call } from "../base/index.ts";
import type { Digest, Store } from "../oci/index.ts";
import type { Contents } from "./contents.ts";
import type { Gate } from "./gate.ts";
import type { Recent } from "./recent.ts";
import type { ManifestRecords } from "./records.ts";

/** Where a registry keeps its repositories: the port that `memoryBacking` and `folderBacking` implement. */
export interface Backing extends AsyncDisposable {
  /** For messages. */
  readonly origin: string;
  /** Undefined where nothing was ever stored under that name. `name` has passed the grammar. */
  find(name: string, call: Call): Promise<Repository | undefined>;
  /** The repository, made where it is missing. */
  create(name: string, call: Call): Promise<Repository>;
  /** Takes a repository away in which nothing is, and nobody. @returns whether it went */
  discard(repository: Repository, call: Call): Promise<boolean>;
  /** Forgets the signs of what was in repositories that are gone, once they are old. */
  forgetGone?(call: Call): Promise<void>;
  /** The names of all repositories, in lexical order; those that may have a blob, in any, where one is given. */
  names(call: Call, having?: Digest): AsyncIterable<string>;
  /** What lies in a repository, which is not opened: there may be thousands. Undefined where it is nowhere to be looked at. */
  contents?(name: string): Contents;
  /**
   * Gives `to` a blob of `from` without copying its bytes; false where that cannot be, and the bytes must be copied.
   */
  link(to: Repository, from: Repository, digest: Digest): Promise<boolean>;
  /** A private place for the bytes of a new upload. */
  spool(upload: Upload, call: Call): Promise<Spool>;
  /** The uploads that a server before this one left, and that can go on. Each is the caller's to close or to remove. */
  unfinished(call: Call): Promise<readonly Unfinished[]>;
  /** How many bytes more can be stored; infinite where nobody can tell. */
  room(): Promise<number>;
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
  /** What garbage collection works on; undefined where there is none. */
  readonly contents?: Contents;
}

/** An upload on its way. */
export interface Upload {
  /** A UUID. */
  readonly id: string;
  /** The repository in which it was begun. */
  readonly name: string;
}

export interface Unfinished extends Upload {
  readonly spool: Spool;
  /** When bytes last came in (Unix, milliseconds). */
  readonly lastUse: number;
}

/** The bytes of an upload so far; removed on dispose. */
export interface Spool extends ByteSource, AsyncDisposable {
  readonly size: number;
  /** Forces the bytes to the disk, for `adopt`, which then takes no time. */
  flush(): Promise<void>;
  /**
   * Makes the bytes a blob of `to` as they lie, durably; false where they must be copied. Only for bytes whose digest
   * was checked while they came in: they take the place of what is there, which may be damaged. Afterwards nothing may be added.
   */
  adopt(to: Repository, digest: Digest): Promise<boolean>;
  /** Adds to the end. The chunk may be reused when it returns. */
  append(chunk: Uint8Array): Promise<void>;
  /** Forgets what lies behind `size`. */
  truncate(size: number): Promise<void>;
  /** Lets go of the bytes and leaves them where they are: a server after this one may go on. */
  close(): Promise<void>;
}
