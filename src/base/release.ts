/**
 * Gives a chunk's memory back now, instead of at some later collection: at network speed the garbage of 64 KiB chunks would be
 * most of a small process's memory. Only where the chunk is all of its buffer, so that nothing else can be in it.
 * The contract of ByteSource and of HTTP bodies makes it sound: a consumer is done with a chunk before it asks for the next.
 */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  // Small ones may come from Node.js's pool, and are not worth it.
  if (
    buffer instanceof ArrayBuffer &&
    chunk.byteLength === buffer.byteLength &&
    buffer.byteLength >= 16_384
  ) {
    buffer.transfer(0);
  }
}
