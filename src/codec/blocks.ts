import { availableParallelism } from "node:os";
import { env } from "node:process";
import type { Call } from "../base/index.ts";

/** Buffers of one size that are used again, so that a long stream does not lean on the garbage collector. */
export class BufferPool {
  readonly #size: number;
  readonly #free: Buffer[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size);
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

/** A block of input: `buffer`'s first `length` bytes. */
export interface Block {
  readonly buffer: Buffer;
  readonly length: number;
}

/** Cuts a stream into full blocks of `size` bytes and a last one, so that nothing depends on its chunks. */
export async function* cut(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
  pool: BufferPool,
): AsyncGenerator<Block> {
  let buffer = pool.take();
  let length = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + size - length);
      buffer.set(part, length);
      length += part.length;
      at += part.length;
      if (length === size) {
        yield { buffer, length };
        buffer = pool.take();
        length = 0;
      }
    }
  }
  if (length > 0) yield { buffer, length };
}

/**
 * Threads of libuv's pool that may compress at once. One is left for files: a read that waits behind
 * compression would starve what is to be compressed next.
 */
export function compressors(): number {
  const pool = Number(env["UV_THREADPOOL_SIZE"] ?? 4);
  const threads = Number.isInteger(pool) && pool > 0 ? pool : 4;
  return Math.max(1, Math.min(threads - 1, availableParallelism() + 1));
}

/**
 * Works on items at once and yields the results in their order. At most `limit` items are begun and not yet
 * handed on, whatever the consumer's pace, so memory has a bound. On an error, an abort or the consumer's leaving it ends
 * only when all that was begun has come to rest.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
  call: Call,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  try {
    for await (const item of items) {
      call.signal.throwIfAborted();
      const result = work(item);
      result.catch(() => {}); // Seen when its turn comes, or not at all where an earlier one failed.
      begun.push(result);
      while (begun.length >= limit) yield await take(begun);
    }
    while (begun.length > 0) yield await take(begun);
  } finally {
    await Promise.allSettled(begun);
  }
}

async function take<R>(begun: Promise<R>[]): Promise<R> {
  const [first] = begun;
  if (first === undefined) throw new RangeError("nothing was begun");
  const result = await first;
  begun.shift();
  return result;
}

/** Lets at most `limit` tasks run at once; the others wait their turn. */
export function limiter(limit: number): <R>(task: () => Promise<R>) => Promise<R> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
