export { decode, decoderFor } from "./decode.ts";
export type { Decoder } from "./decoder.ts";
export { type Compression, type Encoder, encoderFor, type LayerFormat } from "./encoder.ts";
export { type CodecCode, CodecError } from "./errors.ts";
export { knownAnswer } from "./known-answer.ts";
export { sniff } from "./sniff.ts";
