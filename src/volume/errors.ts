import { ImgvolError } from "../base/index.ts";

export type VolumeCode =
  /** An archive's entry that must not be unpacked: it would leave the volume, or pass through a link. */
  | "entry-unsafe"
  /** An entry that cannot be made on this disk: its kind, its name or its ids. */
  | "entry-invalid"
  | "limit-bytes"
  | "limit-entries"
  | "limit-depth"
  | "limit-path"
  /** Unpacking would leave less of the disk free than is kept in reserve. */
  | "disk-reserve"
  | "diff-id-mismatch"
  /** An artifact that runtimes do not mount as a volume. */
  | "not-a-volume"
  | "unpack-failed"
  | "cache-unsafe"
  | "cache-unwritable"
  | "cache-damaged"
  | "subpath-missing"
  | "subpath-not-a-directory"
  | "subpath-escapes"
  | "mount-path-invalid"
  | "mount-path-busy"
  | "not-mounted"
  | "mount-failed"
  /** The environment does not go with an agent. */
  | "agent-refused"
  | "view-failed"
  | "command-invalid";

/** Errors of unpacking, caching, mounting and launching. */
export class VolumeError extends ImgvolError<VolumeCode> {}
