import type { Call } from "../base/index.ts";
import { CodecError } from "./errors.ts";
import { gzip } from "./gzip.ts";
import { zstd } from "./zstd.ts";

/** What layers are compressed with; a media type names one of these. */
export type Compression = "none" | "gzip" | "zstd";

/** How to compress. `auto` is gzip that stores what would not get smaller. */
export interface LayerFormat {
  readonly compression: "auto" | Compression;
  /** gzip and auto: 1 to 9, by default 6. zstd: 1 to 19, by default 3. */
  readonly level?: number | undefined;
}

/** Compresses a stream, always to the same bytes. */
export interface Encoder {
  /** Names the format of the bytes: it changes whenever, for the same input, the bytes would. */
  readonly id: string;
  readonly compression: Compression;
  encode(chunks: AsyncIterable<Uint8Array>, call: Call): AsyncIterable<Uint8Array>;
}

interface Format {
  /** In the id. */
  readonly name: string;
  readonly compression: Compression;
  /** The version of our format: of block sizes, dictionaries, headers. A new one needs a decision on record. */
  readonly version: number;
  readonly levels?: { readonly default: number; readonly max: number };
  encode(chunks: AsyncIterable<Uint8Array>, level: number, call: Call): AsyncIterable<Uint8Array>;
}

/** Every format there is, and its version. */
const FORMATS: Readonly<Record<LayerFormat["compression"], Format>> = {
  none: { name: "none", compression: "none", version: 1, encode: (chunks) => chunks },
  gzip: {
    name: "gzip",
    compression: "gzip",
    version: 1,
    levels: { default: 6, max: 9 },
    encode: (chunks, level, call) => gzip(chunks, { level, storing: false }, call),
  },
  auto: {
    name: "gzip-auto",
    compression: "gzip",
    version: 1,
    levels: { default: 6, max: 9 },
    encode: (chunks, level, call) => gzip(chunks, { level, storing: true }, call),
  },
  zstd: { name: "zstd", compression: "zstd", version: 1, levels: { default: 3, max: 19 }, encode: zstd },
};

/** @throws CodecError `codec-level` (wrong use) */
export function encoderFor(format: LayerFormat): Encoder {
  const { name, compression, version, levels, encode } = FORMATS[format.compression];
  const level = format.level ?? levels?.default ?? 0;
  if (
    format.level !== undefined &&
    (!levels || !Number.isInteger(level) || level < 1 || level > levels.max)
  ) {
    throw new CodecError("codec-level", `${format.compression} has no level ${format.level}`, {
      hint: levels ? `use a whole number from 1 to ${levels.max}` : "leave the level out",
      wrongUse: true,
    });
  }
  return {
    id: levels ? `${name}-${level}/${version}` : `${name}/${version}`,
    compression,
    encode: (chunks, call) => encode(chunks, level, call),
  };
}
