/** How a file's owner, times and modes become an entry's; the defaults are the same on every machine. */
export interface MetadataOptions {
  /** Later modification times are clamped to this, in seconds since 1970; without it every time is 0. */
  readonly sourceDateEpoch?: number | undefined;
  /** Default 0:0. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Keeps all twelve mode bits; otherwise files are 0644 or 0755, folders 0755, and special bits are dropped. */
  readonly keepModes?: boolean | undefined;
}

/** A time in whole seconds, as `SOURCE_DATE_EPOCH` asks for (https://reproducible-builds.org/specs/source-date-epoch/). */
export function entryTime(seconds: number, options: MetadataOptions): number {
  const limit = options.sourceDateEpoch ?? 0;
  return Math.max(0, Math.min(Math.trunc(seconds), limit));
}

export function entryMode(
  mode: number,
  type: "file" | "dir" | "symlink" | "hardlink",
  options: MetadataOptions,
): number {
  if (type === "symlink") return 0o777;
  if (options.keepModes) return mode & 0o7777;
  if (type === "dir") return 0o755;
  return (mode & 0o111) === 0 ? 0o644 : 0o755;
}
