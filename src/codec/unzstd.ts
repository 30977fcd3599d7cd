import type { Decoder } from "./decoder.ts";
import { CodecError } from "./errors.ts";
import { Inflater } from "./inflater.ts";

/** zstd with any number of frames. Whether the last frame was whole is walked here: Node.js 22 does not tell. */
export class ZstdDecoder implements Decoder {
  readonly #inflater = new Inflater("zstd");
  readonly #walker = new FrameWalker();

  *write(chunk: Uint8Array): Generator<Uint8Array> {
    this.#walker.push(chunk);
    let used = 0;
    while (used < chunk.length) {
      const step = yield* this.#inflater.push(chunk.subarray(used));
      if (step === 0) throw new CodecError("codec-corrupt", "the zstd data is damaged: it leads nowhere");
      used += step;
    }
  }

  finish(): Iterable<Uint8Array> {
    this.#inflater.close();
    if (this.#walker.within) throw new CodecError("codec-truncated", "the zstd data ends before its end");
    return [];
  }
}

/** What a frame's structure asks for next: its next bytes (a few), or a jump over contents. */
type Wish = { readonly take: number; readonly between?: true } | { readonly skip: number };

/** Follows the frames and blocks (RFC 8878, section 3.1) without looking into blocks. */
class FrameWalker {
  readonly #frames = walkFrames();
  #wish: Wish;
  #left: number;
  #taken: Buffer = Buffer.alloc(0);
  #any = false;

  constructor() {
    this.#wish = this.#frames.next(Buffer.alloc(0)).value;
    this.#left = MAGIC_LENGTH;
  }

  /** Whether the bytes so far end within a frame, or are none at all. */
  get within(): boolean {
    const between = "take" in this.#wish && this.#wish.between && this.#taken.length === 0;
    return !this.#any || !between;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if ("take" in this.#wish) this.#taken = Buffer.concat([this.#taken, part]);
      while (this.#left === 0) {
        this.#any = true;
        this.#wish = this.#frames.next(this.#taken).value;
        this.#taken = Buffer.alloc(0);
        this.#left = "take" in this.#wish ? this.#wish.take : this.#wish.skip;
      }
    }
  }
}

const MAGIC_LENGTH = 4;
const MAGIC = 0xfd2fb528;
/** Sixteen magic numbers begin a frame that is to be skipped. */
const SKIPPABLE = 0x184d2a50;
const RLE = 1;

function* walkFrames(): Generator<Wish, never, Buffer> {
  for (;;) {
    const magic = (yield { take: MAGIC_LENGTH, between: true }).readUInt32LE();
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      yield { skip: (yield { take: 4 }).readUInt32LE() };
    } else if (magic === MAGIC) {
      yield* walkFrame();
    } else {
      throw new CodecError("codec-corrupt", "these bytes are not zstd data");
    }
  }
}

function* walkFrame(): Generator<Wish, void, Buffer> {
  const descriptor = (yield { take: 1 }).readUInt8();
  const single = (descriptor & 0x20) !== 0;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  yield { skip: (single ? 0 : 1) + dictionary + contentSize };
  for (let last = false; !last; ) {
    const block = (yield { take: 3 }).readUIntLE(0, 3);
    last = (block & 1) === 1;
    yield { skip: ((block >> 1) & 3) === RLE ? 1 : block >> 3 };
  }
  if (descriptor & 4) yield { skip: 4 };
}
