import type { ByteSource } from "../../src/base/index.ts";

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const BLOCK = 1024 * 1024;

/**
 * Bytes that a seed decides, made anew at each opening and from any offset, in a buffer that is used again. One random block,
 * each of its repetitions marked by its number: as fast as memory, and no two places of it are alike.
 */
export function generated(seed: number, size: number, sized: boolean): ByteSource {
  const random = numbersFrom(seed);
  const block = Buffer.alloc(BLOCK);
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE(Math.floor(random() * 2 ** 32), i);
  return {
    ...(sized ? { size } : {}),
    async *open(offset) {
      const buffer = Buffer.from(block);
      for (let at = offset; at < size; ) {
        const number = Math.floor(at / BLOCK);
        for (let i = 0; i < BLOCK; i += 4096) buffer.writeUInt32LE(number, i);
        const begin = at - number * BLOCK;
        const part = buffer.subarray(
          begin,
          Math.min(BLOCK, begin + 64 * 1024 - (begin % 65_536), size - number * BLOCK),
        );
        yield part;
        at += part.length;
      }
    },
  };
}
