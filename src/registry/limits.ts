/** What uploads may take of the server. */
export interface Limits {
  /** Uploads on their way at one time. Default 1000. */
  readonly uploads?: number;
  /** Bytes of unfinished uploads, all together. Default: what the disk takes. */
  readonly uploadBytes?: number;
  /** How long an upload that nobody continues is kept, in milliseconds. Default one hour. */
  readonly uploadIdle?: number;
  /** Bytes of the disk that uploads leave free for others. Default 256 MiB. */
  readonly freeDisk?: number;
}

export const DEFAULT_LIMITS: Required<Limits> = {
  uploads: 1000,
  uploadBytes: Number.POSITIVE_INFINITY,
  uploadIdle: 60 * 60_000,
  freeDisk: 256 * 1024 * 1024,
};
