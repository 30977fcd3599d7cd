import type { Refusal } from "../auth/index.ts";
import type { RemoteHost } from "./host.ts";

const MIB = 1024 * 1024;
/** Tried one after the other: what proxies of large clouds take, GHCR's 4 MiB for a chunk, and nginx's default of 1 MiB. */
const CHUNKS: readonly number[] = [64 * MIB, 16 * MIB, 4 * MIB, MIB];

/** What a registry, or a proxy before it, does not take; it says so only by refusing, and is asked for it once. */
export class UploadLimits {
  /** How many bytes go in one request. */
  chunk: number = Number.POSITIVE_INFINITY;
  /** Whether it takes uploads in pieces, by PATCH. */
  patch = true;
  /** Whether it takes a mount from whatever repository has the blob (distribution-spec, "Mounting a blob from another repository"). */
  anonymousMount = true;

  /** Sends smaller pieces after one of `tried` bytes was too large; false where they are as small as they may become. */
  shrink(tried: number): boolean {
    const smaller = CHUNKS.find((size) => size < Math.min(tried, this.chunk));
    if (smaller === undefined) return false;
    this.chunk = smaller;
    return true;
  }
}

const known = new WeakMap<RemoteHost, UploadLimits>();

/** What was learned about a registry; for as long as it is in use. */
export function limitsOf(host: RemoteHost): UploadLimits {
  const limits = known.get(host) ?? new UploadLimits();
  known.set(host, limits);
  return limits;
}

/** Whether a request had too many bytes. GHCR says 416, and in words what it means. */
export function isTooLarge(refused: Refusal | undefined): boolean {
  if (refused === undefined) return false;
  return refused.status === 413 || (refused.status === 416 && /too large|exceeds/i.test(refused.message));
}

/** Whether the registry does not know the method at all. */
export function isUnsupported(refused: Refusal | undefined): boolean {
  if (refused === undefined) return false;
  return refused.status === 405 || refused.status === 501 || refused.codes.includes("UNSUPPORTED");
}
