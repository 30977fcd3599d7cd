import type { Compression } from "./encoder.ts";

/**
 * The compression that a stream's first bytes show. Runtimes look at the bytes and not at the media type (containerd's
 * `DetectCompression`), so what is shown here is what will happen.
 * @param first four bytes or more, where there are as many
 */
export function sniff(first: Uint8Array): Compression {
  const [a, b, c, d] = first;
  if (a === 0x1f && b === 0x8b && c === 8) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  // A frame to be skipped may come first (RFC 8878, section 3.1.2).
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  return "none";
}
