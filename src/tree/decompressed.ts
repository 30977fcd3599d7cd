import type { Call } from "../base/index.ts";
import { decode, sniff } from "../codec/index.ts";

/**
 * The tar bytes in a stream, whatever they are compressed with. Media types are not asked: runtimes go by the
 * magic number, and what they would unpack is what is to be seen.
 */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  call: Call,
): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    const first: Uint8Array[] = [];
    // Magic numbers have at most four bytes, but a pipe may hand out one at a time.
    for (let size = 0; size < 4; ) {
      const { done, value } = await source.next();
      if (done) break;
      first.push(Buffer.from(value));
      size += value.length;
    }
    const head = Buffer.concat(first);
    yield* decode(replay(head, source), sniff(head), call);
  } finally {
    await source.return?.();
  }
}

async function* replay(head: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
