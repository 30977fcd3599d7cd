import { ImgvolError, printable } from "../base/index.ts";

export type SourceCode =
  /** No such file at the repository or registry. */
  | "payload-missing"
  /** The repository or registry wants other credentials. */
  | "payload-denied"
  /** The repository or registry failed, more than once. */
  | "payload-unavailable"
  /** The bytes are not those that were promised. */
  | "payload-mismatch"
  /** Nothing says what the bytes should be. */
  | "payload-unverified"
  /** A package with links, devices, or names that lead out of it. */
  | "payload-unsafe"
  /** The preset has no payload of this version, or none at all. */
  | "payload-unknown"
  /** Maven settings or an npm lock file that cannot be understood. */
  | "settings-invalid"
  | "lock-invalid";

/** Errors of fetching what a preset packs. */
export class SourceError extends ImgvolError<SourceCode> {}

/** An address that is no URL, for messages: what may be a user and a password stays out of logs. */
export function withoutUser(address: string): string {
  return printable(address.replace(/^((?:[a-z][a-z0-9+.-]*:)?\/\/)?.*@/is, "$1…@"));
}
