import { ImgvolError } from "../base/index.ts";

export type RegistryCode =
  | "blob-unknown"
  | "blob-invalid"
  | "range-invalid"
  | "upload-unknown"
  | "upload-range"
  | "uploads-exhausted"
  | "disk-low"
  | "manifest-unknown"
  | "manifest-blob-unknown"
  | "manifest-too-large"
  | "name-invalid"
  | "name-unknown"
  | "tag-invalid"
  | "page-invalid"
  | "read-only"
  | "unauthorized"
  | "logins-exhausted"
  | "htpasswd-invalid"
  | "htpasswd-unreadable"
  | "method-unsupported"
  | "path-unknown"
  | "registry-locked"
  | "gc-failed"
  | "folder-unusable"
  | "upstream-invalid"
  | "upstream-denied"
  | "upstream-limited"
  | "upstream-failed";

/** Errors of a registry, and of what serves or mirrors one; `answer.ts` says how each is put to a client. */
export class RegistryError extends ImgvolError<RegistryCode> {
  /** Header fields that belong to the answer, such as where an upload stands. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: RegistryCode,
    message: string,
    more: {
      hint?: string;
      cause?: unknown;
      wrongUse?: boolean;
      headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(code, message, more);
    this.headers = more.headers ?? {};
  }
}
