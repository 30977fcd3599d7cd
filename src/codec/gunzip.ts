import { crc32 } from "node:zlib";
import type { Decoder } from "./decoder.ts";
import { CodecError } from "./errors.ts";
import { Inflater } from "./inflater.ts";

/** Receives a header's bytes one by one; returns when the header is complete. */
type HeaderParser = Generator<void, void, number>;

/**
 * gzip with any number of members (RFC 1952, section 2.2). The framing is read here and only deflate left to zlib, so that a
 * member's end is known for certain: bytes behind it that are no member, zeros too, are an error as in Go's compress/gzip.
 */
export class GzipDecoder implements Decoder {
  readonly #inflater = new Inflater("deflate");
  #header: HeaderParser | undefined = begin();
  #within = false;
  #members = 0;
  #checksum = 0;
  #size = 0;
  readonly #trailer: Buffer = Buffer.alloc(8);
  #trailed = -1;

  *write(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#header) at += this.#readHeader(this.#header, chunk.subarray(at));
      else if (this.#trailed < 0) at += yield* this.#inflate(chunk.subarray(at));
      else at += this.#readTrailer(chunk.subarray(at));
    }
  }

  finish(): Iterable<Uint8Array> {
    this.#inflater.close();
    if (this.#within || this.#members === 0) {
      throw new CodecError("codec-truncated", "the gzip data ends before its end");
    }
    return [];
  }

  #readHeader(header: HeaderParser, bytes: Uint8Array): number {
    this.#within = true;
    for (const [i, byte] of bytes.entries()) {
      if (header.next(byte).done) {
        this.#header = undefined;
        return i + 1;
      }
    }
    return bytes.length;
  }

  *#inflate(bytes: Uint8Array): Generator<Uint8Array, number> {
    const pieces = this.#inflater.push(bytes);
    let step = pieces.next();
    for (; !step.done; step = pieces.next()) {
      this.#checksum = crc32(step.value, this.#checksum);
      this.#size += step.value.length;
      yield step.value;
    }
    // What deflate leaves is the trailer. A trailer that begins a chunk of its own leaves that whole chunk.
    if (step.value < bytes.length) this.#trailed = 0;
    return step.value;
  }

  #readTrailer(bytes: Uint8Array): number {
    const part = bytes.subarray(0, this.#trailer.length - this.#trailed);
    this.#trailer.set(part, this.#trailed);
    this.#trailed += part.length;
    if (this.#trailed === this.#trailer.length) this.#endMember();
    return part.length;
  }

  #endMember(): void {
    const wrong =
      this.#trailer.readUInt32LE(0) !== this.#checksum
        ? "checksum"
        : this.#trailer.readUInt32LE(4) !== this.#size % 2 ** 32
          ? "size"
          : undefined;
    if (wrong) throw new CodecError("codec-corrupt", `the gzip data is damaged: its ${wrong} does not fit`);
    this.#members++;
    this.#within = false;
    this.#checksum = this.#size = 0;
    this.#trailed = -1;
    this.#inflater.reset();
    this.#header = begin();
  }
}

const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const HEADER_CHECKSUM = 2;
const RESERVED = 0xe0;

/** A parser that waits for its first byte. */
function begin(): HeaderParser {
  const parser = parseHeader();
  parser.next();
  return parser;
}

function* parseHeader(): HeaderParser {
  for (const expected of [0x1f, 0x8b, 8]) {
    if ((yield) !== expected) throw new CodecError("codec-corrupt", "these bytes are not gzip data");
  }
  const flags = yield;
  if (flags & RESERVED) throw new CodecError("codec-corrupt", "the gzip header has unknown flags");
  for (let i = 0; i < 6; i++) yield;
  if (flags & EXTRA) {
    const low = yield;
    for (let left = low | ((yield) << 8); left > 0; left--) yield;
  }
  if (flags & NAME) while ((yield) !== 0);
  if (flags & COMMENT) while ((yield) !== 0);
  if (flags & HEADER_CHECKSUM) {
    yield;
    yield;
  }
}
