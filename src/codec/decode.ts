import type { Call } from "../base/index.ts";
import type { Decoder } from "./decoder.ts";
import type { Compression } from "./encoder.ts";
import { GzipDecoder } from "./gunzip.ts";
import { ZstdDecoder } from "./unzstd.ts";

/** gzip with any number of members, zstd with any number of frames; `none` passes through. */
export function decoderFor(compression: Compression): Decoder {
  if (compression === "gzip") return new GzipDecoder();
  if (compression === "zstd") return new ZstdDecoder();
  return { write: (chunk) => [chunk], finish: () => [] };
}

/** Decompresses a stream, in pieces that are the consumer's to keep. Errors as {@link Decoder}. */
export async function* decode(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression,
  call: Call,
): AsyncGenerator<Uint8Array> {
  if (compression === "none") {
    yield* chunks;
    return;
  }
  const decoder = decoderFor(compression);
  for await (const chunk of chunks) {
    for (const piece of decoder.write(chunk)) {
      call.signal.throwIfAborted();
      yield Buffer.from(piece);
    }
  }
  for (const piece of decoder.finish()) yield Buffer.from(piece);
}
