import { BaseError, type Call, collect } from "../base/index.ts";
import { type Descriptor, MANIFEST_LIMIT, type Store } from "../oci/index.ts";

/**
 * A manifest, index or config as a whole, verified.
 * @throws BaseError `too-large` above `limit` bytes, before any is read; StoreError as the store's `read`
 */
export async function readSmall(
  store: Store,
  d: Descriptor,
  call: Call,
  limit: number = MANIFEST_LIMIT,
): Promise<Uint8Array> {
  const what = `${store.origin}: ${d.digest} (${d.mediaType})`;
  if (d.size > limit) {
    throw new BaseError("too-large", `${what} has ${d.size} bytes; at most ${limit} are read`);
  }
  return await collect(store.read(d, call), limit, what);
}
