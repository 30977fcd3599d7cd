import { open } from "node:fs/promises";
import type { Call } from "./call.ts";
import { BaseError } from "./errors.ts";

/** How many bytes flow at a time, unless a format has its own block size. */
export const CHUNK: number = 512 * 1024;

/**
 * Bytes that can be read again: every `open` yields the same bytes, from `offset` on.
 * A consumer must be done with a chunk before it asks for the next: sources may reuse their buffers.
 */
export interface ByteSource {
  /** In bytes, where known before reading. */
  readonly size?: number;
  open(offset: number, call: Call): AsyncIterable<Uint8Array>;
}

/** A source over bytes in memory. */
export function fromBytes(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    async *open(offset) {
      if (offset < bytes.length) yield bytes.subarray(offset);
    },
  };
}

/** A source over a file, {@link CHUNK} bytes at a time. */
export function fromFile(path: string, size?: number): ByteSource {
  return {
    ...(size === undefined ? {} : { size }),
    async *open(offset, call) {
      const file = await open(path, "r");
      // One buffer an opening: the garbage of fresh ones would be most of a small process's memory.
      const buffer = Buffer.allocUnsafeSlow(CHUNK);
      try {
        for (let at = offset; ; ) {
          call.signal.throwIfAborted();
          const { bytesRead } = await file.read(buffer, 0, CHUNK, at);
          if (bytesRead === 0) return;
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
  };
}

/** Gathers a stream of at most `limit` bytes; more is the error `too-large`, named `what`. */
export async function collect(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > limit) throw new BaseError("too-large", `${what} is larger than ${limit} bytes`);
    parts.push(Buffer.from(chunk));
  }
  return Buffer.concat(parts, size);
}
