import type { Finding } from "../base/index.ts";

export interface GcOptions {
  /** Also manifests without a tag, unless a kept one leads to them, or they refer to a kept one. */
  readonly untagged?: boolean;
  /** What came, or what a client was told is there, within this time is kept, in milliseconds. Default one hour. */
  readonly grace?: number;
  /** Say what would go, and take nothing away. */
  readonly dryRun?: boolean;
}

/** What a collection took away, or would take. */
export interface GcReport {
  readonly dryRun: boolean;
  /** Those of which something went. */
  readonly repositories: readonly Collected[];
  /** Unfinished uploads that nobody continued. */
  readonly uploads: { readonly uploads: number; readonly bytes: number };
  /** All together. */
  readonly bytes: number;
  /** Repositories that were left as they are, and why. */
  readonly findings: readonly Finding[];
}

/** What went of one repository. */
export interface Collected {
  readonly name: string;
  readonly manifests: number;
  readonly blobs: number;
  /** Small files that a crash left. */
  readonly leftovers: number;
  /** Of the disk: content that another repository shares frees none. */
  readonly bytes: number;
  /** Nothing was left in it, and it went itself. */
  readonly removed: boolean;
}
