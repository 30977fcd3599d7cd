import type { Call } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import type { ManifestRecord } from "./records.ts";

/** All that lies in a repository, whether anything names it or not: what garbage collection looks at and takes away. */
export interface Contents {
  /** What the index names. @throws StoreError `store-invalid` */
  named(call: Call): Promise<readonly Named[]>;
  /** The manifests that were pushed as such, with content or without. */
  recorded(): Promise<readonly Digest[]>;
  /** Undefined where there is none. @throws StoreError `store-invalid` */
  record(digest: Digest): Promise<WrittenRecord | undefined>;
  blobs(call: Call): AsyncIterable<Lying>;
  lying(digest: Digest): Promise<Lying | undefined>;
  /**
   * Before the content of a manifest goes: its record stays for a day, as a sign that it was here. An index that names it comes
   * later than its push, and must not be taken without it.
   */
  bury(digest: Digest): Promise<void>;
  /** Takes away content that the index does not name. Nothing there is no error. */
  remove(digest: Digest): Promise<void>;
  /** What a crash left, or a collection long ago: records without content, referrers without a record, unfinished files. Each is removed by its name. */
  leftovers(call: Call): AsyncIterable<string>;
  /** Removes the unfinished content of writers that were killed. */
  sweepWriters(call: Call): Promise<void>;
  /** Looks again, and removes. @returns whether it was one still */
  removeLeftover(name: string, call: Call): Promise<boolean>;
}

export interface Named {
  readonly digest: Digest;
  readonly tagged: boolean;
}

export interface WrittenRecord extends ManifestRecord {
  /** Unix, milliseconds. */
  readonly written: number;
}

/** Content as it lies on the disk. */
export interface Lying {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  /** When it came, or a repository got it from another (Unix, milliseconds). */
  readonly since: number;
  /** The same for all names of one file. */
  readonly file: string;
  /** How many names the file has, over all repositories. */
  readonly names: number;
}
