import { createHash } from "node:crypto";
import { collect, quietCall } from "../../src/base/index.ts";
import { type Compression, decoderFor, encoderFor, type LayerFormat } from "../../src/codec/index.ts";

/** Bytes that arrive in chunks of `step`. */
export async function* inChunks(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

export async function compress(
  bytes: Uint8Array,
  format: LayerFormat,
  step: number = 1 << 20,
): Promise<Buffer> {
  return Buffer.from(
    await collect(encoderFor(format).encode(inChunks(bytes, step), quietCall()), 2 ** 30, "it"),
  );
}

/** Decompresses step by step on this thread, checking that no piece is large. */
export function decompress(bytes: Uint8Array, compression: Compression, step: number = 1 << 20): Buffer {
  const decoder = decoderFor(compression);
  const parts: Buffer[] = [];
  const take = (pieces: Iterable<Uint8Array>): void => {
    for (const piece of pieces) parts.push(Buffer.from(piece));
  };
  for (let at = 0; at < bytes.length; at += step) take(decoder.write(bytes.subarray(at, at + step)));
  take(decoder.finish());
  return Buffer.concat(parts);
}

/** Bytes that look random and are the same each time: a chain of hashes. */
export function noise(size: number, seed: string = "noise"): Buffer {
  const bytes = Buffer.alloc(size);
  let block = Buffer.from(seed);
  for (let at = 0; at < size; at += block.length) {
    block = createHash("sha512").update(block).digest();
    block.copy(bytes, at);
  }
  return bytes;
}

/** Lines of words and numbers: compresses about as source code does. */
export function prose(size: number): Buffer {
  const lines: string[] = [];
  for (let n = 0, length = 0; length < size; n++) {
    const line = `${(n * 7919) % 10007}: the ${n % 7 === 0 ? "quick" : "slow"} fox of ${(n * 31) % 997} jumps\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join("")).subarray(0, size);
}
