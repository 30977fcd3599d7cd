/** What unpacking one image may use at most. All are absolute: a compression ratio alone proves nothing. */
export interface UnpackLimits {
  /** Bytes of all uncompressed layers. */
  readonly bytes: number;
  /** Entries of all layers, and the folders that their paths imply. */
  readonly entries: number;
  /** Folders above an entry. */
  readonly depth: number;
  /** Bytes of an entry's path. */
  readonly pathBytes: number;
  /** Bytes of the disk that must stay free. */
  readonly reserve: number;
}

export const UNPACK_LIMITS: UnpackLimits = {
  bytes: 64 * 1024 ** 3,
  entries: 2_000_000,
  depth: 256,
  pathBytes: 3072,
  reserve: 256 * 1024 ** 2,
};
