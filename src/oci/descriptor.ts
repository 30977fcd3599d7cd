import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** What identifies content: its media type, digest and size (image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly artifactType?: string;
  /** Present in foreign layers; never fetched. */
  readonly urls?: readonly string[];
  /** Base64 of the content itself. */
  readonly data?: string;
}
