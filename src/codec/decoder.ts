/**
 * Decompresses on the calling thread, in steps: for a worker, where streams would cost more than the work itself. Output
 * comes in pieces of at most 512 KiB, so that the caller can stop at a bomb; a piece is only good until the next
 * is asked for, and all pieces of one write must be taken before the next write.
 *
 * @throws CodecError `codec-corrupt`, `codec-truncated` (from `finish`), `codec-unavailable`
 */
export interface Decoder {
  write(chunk: Uint8Array): Iterable<Uint8Array>;
  /** No more input will come. Frees what the decoder held. */
  finish(): Iterable<Uint8Array>;
}
