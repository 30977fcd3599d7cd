import type { Digest, Finding } from "../oci/index.ts";
import type { UnpackLimits } from "./limits.ts";
import type { RingMemory } from "./ring.ts";

/** One layer, as the worker needs to know it. */
export interface JobLayer {
  readonly digest: Digest;
  /** What the image's config says that the uncompressed layer is. */
  readonly diffId: Digest;
}

/** The disk that is unpacked to, in the user's words. */
export interface Disk {
  /** A folder on it that the user knows of: what is unpacked to has a passing name. */
  readonly folder: string;
  /** What to do when it is full. */
  readonly advice: string;
}

/** What the unpacking worker is started with. */
export interface UnpackJob {
  readonly ring: RingMemory;
  /** An empty folder of ours, 0700. */
  readonly root: string;
  /** Where the record of the contents is written; must not exist. */
  readonly contents: string;
  readonly disk: Disk;
  readonly layers: readonly JobLayer[];
  readonly limits: UnpackLimits;
  readonly owners: boolean;
  readonly umask: number;
}

/** What was unpacked. */
export interface Unpacked {
  readonly entries: number;
  /** Uncompressed bytes of all layers, as tar. */
  readonly bytes: number;
  readonly told: readonly Finding[];
}

/** What the worker says. */
export type UnpackMessage =
  | { readonly type: "freed" }
  | { readonly type: "done"; readonly unpacked: Unpacked }
  | {
      readonly type: "failed";
      readonly name: string;
      readonly code: string | undefined;
      readonly message: string;
      readonly hint: string | undefined;
    };
