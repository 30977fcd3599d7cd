import { ImgvolError } from "../base/index.ts";

export type OciCode =
  | "digest-invalid"
  | "reference-invalid"
  | "platform-invalid"
  | "platform-missing"
  | "manifest-invalid"
  | "config-invalid"
  | "media-type-unknown"
  | "layers-mismatch";

/** Errors about what an image says of itself, and about references. */
export class OciError extends ImgvolError<OciCode> {}

export type StoreCode =
  | "not-found"
  | "digest-mismatch"
  | "size-mismatch"
  | "store-invalid"
  | "store-locked"
  | "unsupported"
  | "unauthorized"
  | "credentials-missing"
  | "credentials-unreadable"
  | "credentials-wrong"
  | "helper-failed"
  | "token-expired"
  | "realm-refused"
  | "denied"
  | "hosts-invalid"
  | "rate-limited"
  | "registry-error"
  | "registry-unreachable"
  | "upload-failed";

/** Errors that any store may throw; `message` names the store's origin and what was asked of it. */
export class StoreError extends ImgvolError<StoreCode> {}
