import { BaseError, type Call, printable } from "../base/index.ts";
import { type Entry, encodeHeader, padding, TRAILER } from "../tar/index.ts";
import type { Tree } from "./tree.ts";

/** How many tar bytes are handed on at a time: small files share a chunk. */
const CHUNK = 1024 * 1024;

/** What is known about a tar stream once it has ended. */
export interface TarCount {
  entries: number;
  /** Of the whole stream. */
  bytes: number;
}

/**
 * A tree as a tar stream, in chunks of 1 MiB. While the consumer works on a chunk the next is being read. A chunk is only good until
 * the next is asked for.
 *
 * @param count is added to as entries are written
 * @throws BaseError `file-changed` where a file does not have as many bytes as its entry says
 */
export function tarStream(tree: Tree, count: TarCount, call: Call): AsyncIterable<Uint8Array> {
  return ahead(compose(tree, count, call));
}

async function* compose(tree: Tree, count: TarCount, call: Call): AsyncGenerator<Uint8Array> {
  const filler = new Filler();
  for await (const entry of tree(call)) {
    call.signal.throwIfAborted();
    count.entries++;
    for (const full of filler.put(encodeHeader(entry))) yield full;
    if (entry.type !== "file") continue;
    let left = entry.size;
    for await (const chunk of entry.body.open(0, call)) {
      left -= chunk.length;
      if (left < 0) throw changed(entry);
      for (const full of filler.put(chunk)) yield full;
    }
    if (left > 0) throw changed(entry);
    for (const full of filler.put(padding(entry.size))) yield full;
  }
  for (const full of filler.put(TRAILER)) yield full;
  count.bytes = filler.total;
  yield* filler.rest();
}

function changed(entry: Entry): BaseError {
  return new BaseError("file-changed", `its size changed while it was read: ${printable(entry.path)}`, {
    hint: "run again when nothing writes to it",
  });
}

/** Gathers bytes into chunks, in two buffers by turns: one may be in use while the other is being filled. */
class Filler {
  #buffer: Buffer = Buffer.allocUnsafeSlow(CHUNK);
  #other: Buffer = Buffer.allocUnsafeSlow(CHUNK);
  #filled = 0;
  /** Bytes put so far. */
  total = 0;

  /** Takes bytes, and yields each chunk that they make full. */
  *put(bytes: Uint8Array): Generator<Uint8Array> {
    this.total += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const part =
        at === 0 && bytes.length <= CHUNK - this.#filled
          ? bytes
          : bytes.subarray(at, at + CHUNK - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === CHUNK) yield this.#turn();
    }
  }

  *rest(): Generator<Uint8Array> {
    if (this.#filled > 0) yield this.#turn();
  }

  #turn(): Uint8Array {
    const full = this.#buffer.subarray(0, this.#filled);
    [this.#buffer, this.#other] = [this.#other, this.#buffer];
    this.#filled = 0;
    return full;
  }
}

/** Asks for the next item before it hands on the one at hand. */
async function* ahead<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  const ask = (): Promise<IteratorResult<T>> => {
    const next = iterator.next();
    next.catch(() => {}); // Seen when its turn comes, or not at all where the consumer leaves.
    return next;
  };
  try {
    for (let next = ask(); ; ) {
      const step = await next;
      if (step.done) return;
      next = ask();
      yield step.value;
    }
  } finally {
    await iterator.return?.();
  }
}
