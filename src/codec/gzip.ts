import { crc32 } from "node:zlib";
import { type Call, release } from "../base/index.ts";
import { type Block, BufferPool, compressors, cut, inOrder, limiter } from "./blocks.ts";
import { deflate } from "./deflate.ts";
import { isIncompressible } from "./incompressible.ts";

const BLOCK = 1024 * 1024;
/** Deflate looks back 32 KiB at most (RFC 1951, section 2). */
const WINDOW = 32 * 1024;
/** The largest stored block (RFC 1951, section 3.2.4). */
const STORED = 0xffff;
const STORED_HEADER = 5;

/** Magic, method deflate, no flags (so no name), time 0, no extra flags, OS unknown (RFC 1952, section 2.3). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** An empty last block with fixed codes, in two whole bytes. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

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
  const storage = new BufferPool(BLOCK + STORED_HEADER * Math.ceil(BLOCK / STORED));
  const running = limiter(compressors());
  let checksum = 0;
  let size = 0;
  let window: Buffer | undefined;

  const work = async ({ buffer, length }: Block): Promise<Result> => {
    const block = buffer.subarray(0, length);
    checksum = crc32(block, checksum);
    size += length;
    const dictionary = window;
    // A copy, because the buffer is used again. Only the last block may be shorter than a window.
    window = Buffer.from(block.subarray(-WINDOW));
    try {
      if (!how.storing || !(await running(() => isIncompressible(block)))) {
        return { pieces: await running(() => deflate(block, how.level, dictionary)) };
      }
      const borrowed = storage.take();
      return { pieces: [store(block, borrowed)], borrowed };
    } finally {
      pool.give(buffer);
    }
  };

  yield HEADER;
  for await (const { pieces, borrowed } of inOrder(cut(chunks, BLOCK, pool), compressors() + 1, work, call)) {
    for (const piece of pieces) {
      yield piece;
      if (!borrowed) release(piece);
    }
    if (borrowed) storage.give(borrowed);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

interface Result {
  readonly pieces: readonly Uint8Array[];
  /** The buffer below the only piece, where it is to be used again. */
  readonly borrowed?: Buffer;
}

/** Writes a block into `into` as deflate's stored blocks. */
function store(block: Uint8Array, into: Buffer): Uint8Array {
  let to = 0;
  for (let at = 0; at < block.length; at += STORED) {
    const part = block.subarray(at, at + STORED);
    to = into.writeUInt8(0, to);
    to = into.writeUInt16LE(part.length, to);
    to = into.writeUInt16LE(part.length ^ 0xffff, to);
    into.set(part, to);
    to += part.length;
  }
  return into.subarray(0, to);
}
