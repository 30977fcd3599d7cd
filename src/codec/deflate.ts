import { promisify } from "node:util";
import { constants, deflateRaw } from "node:zlib";

const compress: (
  block: Uint8Array,
  how: { level: number; dictionary?: Uint8Array; finishFlush: number; chunkSize: number },
) => Promise<Buffer> = promisify(deflateRaw);

/** Deflates a block so that it ends on a byte and is not the last. */
export function deflate(block: Uint8Array, level: number, dictionary?: Uint8Array): Promise<Buffer> {
  return compress(block, {
    level,
    ...(dictionary === undefined ? {} : { dictionary }),
    finishFlush: constants.Z_SYNC_FLUSH,
    // Most results fit into one piece; each piece is a trip to the thread pool.
    chunkSize: Math.min(block.length + 1024, 256 * 1024),
  });
}
