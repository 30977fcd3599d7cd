import type { ByteSource, Call } from "../base/index.ts";
import type { Capabilities, Descriptor } from "../oci/index.ts";

/**
 * The raw port below verification: where bytes lie. A medium moves bytes and names; it may trust nothing and need
 * verify nothing, for `verified` (verified.ts) turns it into a Store and checks every byte on its way in and out.
 */
export interface Medium extends AsyncDisposable {
  /** For messages: `oci:DIR`, `registry/repository`, `memory`. */
  readonly origin: string;
  readonly can: Capabilities;
  /** What a tag or digest names. @throws StoreError `not-found` */
  resolve(tagOrDigest: string, call: Call): Promise<Descriptor>;
  has(d: Descriptor, call: Call): Promise<boolean>;
  /** The bytes as they are, from offset `from` on. @throws StoreError `not-found` when first asked for a chunk */
  open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array>;
  /** Takes content in. See {@link Incoming} for what the medium must do; after an error nothing of it stays. */
  write(content: Incoming, call: Call): Promise<void>;
  /** Points a tag at a manifest or index. The name and the media type were checked. @throws StoreError `not-found` */
  tag(name: string, d: Descriptor, call: Call): Promise<void>;
}

/** Content on its way into a medium. */
export interface Incoming {
  readonly mediaType: string;
  /** What it must turn out to be; undefined where that is known only at the end. A medium that has it already may return without reading. */
  readonly expected: Descriptor | undefined;
  /** What the medium has already is not relied on, but written over. */
  readonly replace: boolean;
  /**
   * The bytes, counted and hashed as they flow. It may be opened again at any offset, for example at the one that a
   * server acknowledged before a cut; the iteration before is over then. Where `expected` is given and the bytes are
   * wrong, the iteration throws before it yields the last chunk, so that a sized upload never completes.
   */
  readonly source: ByteSource;
  /**
   * To be called after the last byte, and BEFORE the content becomes visible to anyone: says what the content is.
   * @throws StoreError `digest-mismatch` or `size-mismatch`; the medium then drops what it wrote, and throws on
   */
  seal(): Descriptor;
}
