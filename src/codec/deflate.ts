import { constants, createDeflateRaw } from "node:zlib";

/**
 * Deflates a block so that it ends on a byte and is not the last. In pieces, as the result of `frame` for zstd: joining them
 * would cost a copy of each block in memory.
 */
export function deflate(block: Uint8Array, level: number, dictionary?: Uint8Array): Promise<Buffer[]> {
  const stream = createDeflateRaw({
    level,
    ...(dictionary === undefined ? {} : { dictionary }),
    finishFlush: constants.Z_SYNC_FLUSH,
    // Most results fit into one piece; each piece is a trip to the thread pool.
    chunkSize: Math.min(block.length + 1024, 256 * 1024),
  });
  stream.end(block);
  return stream.toArray();
}
