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

/** Decompresses a stream; a piece is only good until the next is asked for. Errors as {@link Decoder}. */
export async function* decode(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression,
  call: Call,
): AsyncGenerator<Uint8Array> {
  const decoder = decoderFor(compression);
  for await (const chunk of chunks) {
    for (const piece of decoder.write(chunk)) {
      call.signal.throwIfAborted();
      yield piece;
    }
  }
  yield* decoder.finish();
}
