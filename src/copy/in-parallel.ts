import type { Call } from "../base/index.ts";

/**
 * Works on all items, at most `limit` at a time. The first failure cancels the rest and is thrown once none runs any more.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  call: Call,
  work: (item: T, part: Call) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const part: Call = { ...call, signal: AbortSignal.any([call.signal, failed.signal]) };
  const left = items[Symbol.iterator]();
  let first: { error: unknown } | undefined;

  async function worker(): Promise<void> {
    try {
      for (let next = left.next(); !next.done; next = left.next()) {
        part.signal.throwIfAborted();
        await work(next.value, part);
      }
    } catch (error) {
      first ??= { error };
      failed.abort();
    }
  }

  await Promise.all(Array.from({ length: Math.max(1, limit) }, worker));
  if (first !== undefined) throw first.error;
}
