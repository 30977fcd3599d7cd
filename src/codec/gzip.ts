import { promisify } from "node:util";
import { constants, crc32, deflateRaw } from "node:zlib";
import type { Call } from "../base/index.ts";
import { type Block, BufferPool, compressors, cut, inOrder, limiter } from "./blocks.ts";
import { isIncompressible } from "./incompressible.ts";

const BLOCK = 1024 * 1024;
/** Deflate looks back 32 KiB at most (RFC 1951, section 2). */
const WINDOW = 32 * 1024;
/** The largest stored block (RFC 1951, section 3.2.4). */
const STORED = 0xffff;

/** Magic, method deflate, no flags (so no name), time 0, no extra flags, OS unknown (RFC 1952, section 2.3). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** An empty last block with fixed codes, in two whole bytes. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

const compress: (
  block: Uint8Array,
  how: { level: number; dictionary?: Uint8Array; finishFlush: number; chunkSize: number },
) => Promise<Buffer> = promisify(deflateRaw);

/**
 * One gzip member, compressed by many threads. Each block of 1 MiB is deflated by itself, with the 32 KiB before it as
 * its dictionary, and ends on a byte (a sync flush), so that the results can be put one behind another: as pigz does. The bytes
 * depend on the input and `level` alone, not on threads, timing or chunks.
 *
 * @param how `storing`: blocks that would not get smaller are stored as they are.
 */
export async function* gzip(
  chunks: AsyncIterable<Uint8Array>,
  how: { level: number; storing: boolean },
  call: Call,
): AsyncGenerator<Uint8Array> {
  const pool = new BufferPool(BLOCK);
  const running = limiter(compressors());
  let checksum = 0;
  let size = 0;
  let window: Buffer | undefined;

  const work = async ({ buffer, length }: Block): Promise<Buffer> => {
    const block = buffer.subarray(0, length);
    checksum = crc32(block, checksum);
    size += length;
    const dictionary = window;
    // A copy, because the buffer is used again. Only the last block is shorter than a window.
    window = Buffer.from(block.subarray(-WINDOW));
    try {
      if (how.storing && isIncompressible(block)) return store(block);
      return await running(() => deflate(block, how.level, dictionary));
    } finally {
      pool.give(buffer);
    }
  };

  yield HEADER;
  yield* inOrder(cut(chunks, BLOCK, pool), 2 * compressors() + 2, work, call);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

/** Deflates a block so that it ends on a byte and is not the last. */
export function deflate(block: Uint8Array, level: number, dictionary?: Uint8Array): Promise<Buffer> {
  return compress(block, {
    level,
    ...(dictionary === undefined ? {} : { dictionary }),
    finishFlush: constants.Z_SYNC_FLUSH,
    // Most results fit into one piece; each piece is a trip to the thread pool.
    chunkSize: 256 * 1024,
  });
}

/** A block as deflate's stored blocks. */
function store(block: Uint8Array): Buffer {
  const count = Math.ceil(block.length / STORED);
  const stored = Buffer.allocUnsafeSlow(block.length + 5 * count);
  let to = 0;
  for (let at = 0; at < block.length; at += STORED) {
    const part = block.subarray(at, at + STORED);
    to = stored.writeUInt8(0, to);
    to = stored.writeUInt16LE(part.length, to);
    to = stored.writeUInt16LE(part.length ^ 0xffff, to);
    stored.set(part, to);
    to += part.length;
  }
  return stored;
}
