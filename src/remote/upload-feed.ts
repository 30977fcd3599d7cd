import type { ByteSource, Call } from "../base/index.ts";

/**
 * Hands a source out in pieces, in order, by one reading: making the bytes anew may mean to compress them anew. It is read
 * again only from where a piece is wanted that does not follow the last one.
 */
export class Feed {
  readonly #source: ByteSource;
  /** The reading that stands at the end of the last piece, all of which was taken. */
  #resting: Reading | undefined;
  #current: Reading | undefined;
  #total: number | undefined;
  #failed = false;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** How many bytes there are, once the source has ended. */
  get total(): number | undefined {
    return this.#total;
  }

  /** Up to where bytes were taken by the last piece. */
  get at(): number {
    return this.#current?.at ?? 0;
  }

  /** Whether the source itself broke: then trying again is of no use. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The bytes from `from` on, at most `limit` of them. The piece before is over with this call. */
  async *piece(from: number, limit: number, call: Call): AsyncIterable<Uint8Array> {
    const reading = await this.#readingAt(from, call);
    let taken = false;
    try {
      for (let left = limit; left > 0; ) {
        const chunk = await this.#next(reading);
        if (chunk === undefined) break;
        const part = chunk.subarray(0, left);
        left -= part.length;
        reading.at += part.length;
        reading.rest = chunk.subarray(part.length);
        yield part;
      }
      // Whether anything is left decides whether there is a next piece.
      await this.#next(reading);
      taken = true;
    } finally {
      if (taken && this.#current === reading) this.#resting = reading;
      else await close(reading);
    }
  }

  /** Closes the source. */
  async end(): Promise<void> {
    const resting = this.#resting;
    this.#resting = undefined;
    this.#current = undefined;
    if (resting !== undefined) await close(resting);
  }

  async #readingAt(from: number, call: Call): Promise<Reading> {
    const resting = this.#resting;
    this.#resting = undefined;
    if (resting?.at === from) return resting;
    if (resting !== undefined) await close(resting);
    const chunks = this.#source.open(from, call)[Symbol.asyncIterator]();
    this.#current = { chunks, at: from, rest: NOTHING };
    return this.#current;
  }

  /** What comes next, left in `rest`; undefined at the end. */
  async #next(reading: Reading): Promise<Uint8Array | undefined> {
    while (reading.rest.length === 0) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = await reading.chunks.next();
      } catch (error) {
        // What a reading meets that nobody waits for any more is nobody's affair.
        if (this.#current === reading) this.#failed = true;
        throw error;
      }
      if (next.done === true) {
        if (this.#current === reading) this.#total = reading.at;
        return undefined;
      }
      reading.rest = next.value;
    }
    return reading.rest;
  }
}

interface Reading {
  readonly chunks: AsyncIterator<Uint8Array>;
  at: number;
  /** Read, but not handed out yet. */
  rest: Uint8Array;
}

const NOTHING = new Uint8Array(0);

async function close(reading: Reading): Promise<void> {
  await reading.chunks.return?.();
}
