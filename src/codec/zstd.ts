import { constants, createZstdCompress } from "node:zlib";
import { type Call, release } from "../base/index.ts";
import { BufferPool, compressors, cut, inOrder, limiter } from "./blocks.ts";

const FRAME = 4 * 1024 * 1024;
/** Large enough to be a buffer of its own, and not a part of Node.js' pool. */
const PIECE = 512 * 1024;

/**
 * Independent zstd frames of 4 MiB of input, compressed by many threads (RFC 8878, section 3: frames may follow one another).
 * zstd's own threads are never used: in Node.js' streams they lose data silently.
 */
export async function* zstd(
  chunks: AsyncIterable<Uint8Array>,
  level: number,
  call: Call,
): AsyncGenerator<Uint8Array> {
  const pool = new BufferPool(FRAME);
  const running = limiter(compressors());
  let any = false;
  const frames = inOrder(
    cut(chunks, FRAME, pool),
    compressors(),
    async ({ buffer, length }) => {
      try {
        return await running(() => frame(buffer.subarray(0, length), level));
      } finally {
        pool.give(buffer);
      }
    },
    call,
  );
  for await (const pieces of frames) {
    any = true;
    for (const piece of pieces) {
      yield piece;
      release(piece);
    }
    // The last one's buffer is mostly empty: left to the collector, one for each frame is tens of megabytes.
    for (const { buffer } of pieces) if (buffer.byteLength === PIECE) release(new Uint8Array(buffer));
  }
  // No frame at all is no zstd stream.
  if (!any) yield* await frame(new Uint8Array(0), level);
}

/** One whole frame with a checksum of its contents, in pieces: joining them would cost a copy of each frame in memory. */
export function frame(bytes: Uint8Array, level: number): Promise<Buffer[]> {
  const stream = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    chunkSize: PIECE,
  });
  stream.end(bytes);
  return stream.toArray();
}
