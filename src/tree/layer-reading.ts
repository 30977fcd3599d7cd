import { type Call, ImgvolError } from "../base/index.ts";
import { CodecError } from "../codec/index.ts";
import { type Descriptor, layerCompression, OciError, type Store } from "../oci/index.ts";
import { TarError, type TarHeader, TarReader } from "../tar/index.ts";
import { decompressed } from "./decompressed.ts";

/** What comes out of a layer, in order: an entry, the pieces of its content, its end. */
export type LayerEvent =
  | { readonly kind: "entry"; readonly header: TarHeader; readonly ordinal: number }
  | { readonly kind: "data"; readonly chunk: Uint8Array }
  | { readonly kind: "end" };

/**
 * Streams a layer's entries; a data chunk is good until the next event is asked for.
 * @throws OciError `media-type-unknown` for what is no tar layer; StoreError, CodecError, TarError
 */
export async function* layerEvents(store: Store, layer: Descriptor, call: Call): AsyncGenerator<LayerEvent> {
  if (layerCompression(layer.mediaType) === undefined) {
    throw new OciError(
      "media-type-unknown",
      `${layer.digest} in ${store.origin} is no tar layer: ${layer.mediaType}`,
      {
        hint: "it is an artifact of another kind; a runtime would show an empty volume",
      },
    );
  }
  let events: LayerEvent[] = [];
  let ordinal = 0;
  const reader = new TarReader({
    entry: (header) => events.push({ kind: "entry", header, ordinal: ordinal++ }),
    data: (chunk) => events.push({ kind: "data", chunk }),
    end: () => events.push({ kind: "end" }),
  });
  try {
    for await (const chunk of decompressed(store.read(layer, call), call)) {
      call.signal.throwIfAborted();
      reader.write(chunk);
      yield* events;
      events = [];
    }
    reader.finish();
  } catch (error) {
    throw await explained(error, store, layer, call);
  }
}

/**
 * Bytes that are no archive are met before the layer's digest is known. Where they have another one, that is what is wrong: the
 * layer is read once more for it, which costs time only where there is an error.
 */
async function explained(error: unknown, store: Store, layer: Descriptor, call: Call): Promise<unknown> {
  if (!(error instanceof CodecError || error instanceof TarError)) return error;
  try {
    for await (const _chunk of store.read(layer, call)) call.signal.throwIfAborted();
  } catch (damaged) {
    return damaged;
  }
  return new ImgvolError(error.code, `${store.origin}: the layer ${layer.digest}: ${error.message}`, {
    hint: error.hint ?? "it was made so: have it packed again, or ask who made it",
    cause: error,
  });
}

/** A position in a layer that moves forward as contents are read, and back to the beginning where it must. */
export class LayerCursor implements AsyncDisposable {
  readonly #store: Store;
  readonly #layer: Descriptor;
  #events: AsyncGenerator<LayerEvent> | undefined;
  #ordinal = -1;
  busy = false;

  constructor(store: Store, layer: Descriptor) {
    this.#store = store;
    this.#layer = layer;
  }

  /** The content of the layer's entry number `ordinal`, from `offset` on. */
  async *read(ordinal: number, offset: number, call: Call): AsyncGenerator<Uint8Array> {
    this.busy = true;
    try {
      if (ordinal <= this.#ordinal) await this[Symbol.asyncDispose]();
      this.#events ??= layerEvents(this.#store, this.#layer, call);
      let skip = offset;
      for (let next = await this.#events.next(); !next.done; next = await this.#events.next()) {
        const event = next.value;
        if (event.kind === "entry") this.#ordinal = event.ordinal;
        else if (this.#ordinal < ordinal) continue;
        else if (event.kind === "end") return;
        else {
          if (skip < event.chunk.length) yield event.chunk.subarray(skip);
          skip = Math.max(0, skip - event.chunk.length);
        }
      }
      throw new OciError(
        "layers-mismatch",
        `the layer ${this.#layer.digest} is not what it was a moment ago`,
      );
    } finally {
      this.busy = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    this.#ordinal = -1;
    await events?.return(undefined);
  }
}
