import { type FileHandle, open } from "node:fs/promises";
import type { Call } from "./call.ts";
import { BaseError } from "./errors.ts";
import { release } from "./release.ts";
import { Share } from "./share.ts";

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

/** A source over a file, at most 1 MiB at a time: the next bytes are read while the last are being worked on. */
export function fromFile(path: string, size?: number): ByteSource {
  return {
    ...(size === undefined ? {} : { size }),
    async *open(offset, call) {
      call.signal.throwIfAborted();
      await using file = await open(path, "r");
      yield* readAhead(file, offset, call);
    },
  };
}

async function* readAhead(file: FileHandle, from: number, call: Call): AsyncGenerator<Uint8Array> {
  // Two buffers an opening: the garbage of fresh ones would be most of a small process's memory.
  using share = new Share();
  let mine = Buffer.allocUnsafeSlow(share.size);
  let next = Buffer.allocUnsafeSlow(share.size);
  const ahead = (at: number): Promise<{ readonly bytesRead: number }> => {
    const reading = file.read(next, 0, next.length, at);
    // It may fail before the reader asks for it.
    reading.catch(() => undefined);
    return reading;
  };
  let reading = ahead(from);
  try {
    for (let at = from; ; ) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) break;
      [mine, next] = [next, mine];
      at += bytesRead;
      reading = ahead(at);
      call.signal.throwIfAborted();
      yield mine.subarray(0, bytesRead);
    }
  } finally {
    // A reader that left early: the file is not to be closed under a read.
    await reading.catch(() => undefined);
  }
  for (const buffer of [mine, next]) release(buffer);
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
