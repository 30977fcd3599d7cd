export type { Entry } from "./entry.ts";
export { type TarCode, TarError } from "./errors.ts";
export { encodeHeader, padding, TRAILER } from "./header.ts";
export { cleanPath } from "./path.ts";
export { type TarHeader, type TarLimits, TarReader, type TarSink } from "./reader.ts";
