import { BaseError, type ByteSource, type Call, silent, type Task } from "../base/index.ts";
import { type Compression, type Encoder, encoderFor, knownAnswer, type LayerFormat } from "../codec/index.ts";
import {
  type Descriptor,
  type Digest,
  digester,
  type Finding,
  MediaType,
  type Store,
  StoreError,
} from "../oci/index.ts";
import { tarStream } from "./tar-stream.ts";
import type { Tree } from "./tree.ts";

/** A layer that a store holds. */
export interface Layer {
  readonly descriptor: Descriptor;
  /** The digest of the uncompressed tar stream: the same on any machine. */
  readonly diffId: Digest;
  readonly entries: number;
  /** Of the uncompressed tar stream. */
  readonly bytes: number;
  readonly told: readonly Finding[];
}

const MEDIA_TYPES: Readonly<Record<Compression, string>> = {
  none: MediaType.layerTar,
  gzip: MediaType.layerGzip,
  zstd: MediaType.layerZstd,
};

/**
 * Writes a tree into a store as one layer, in one pass: read, made tar, hashed, compressed and stored while it flows.
 * Where the store asks again (a cut connection), the same bytes are made again and those it has are passed over.
 *
 * @throws BaseError `file-changed` where a file changed in size, or differs between two passes; CodecError `codec-level`; what the tree and the store throw
 */
export async function writeLayer(to: Store, tree: Tree, format: LayerFormat, call: Call): Promise<Layer> {
  const encoder = encoderFor(format);
  const task = (call.progress ?? silent).start("writing the layer");
  try {
    const source = new LayerSource(tree, encoder, task);
    const descriptor = await to.ingest(MEDIA_TYPES[encoder.compression], source, call);
    const pass = source.whole;
    if (!pass) throw new StoreError("store-invalid", `${to.origin} did not take the layer to its end`);
    if (pass.digest !== undefined && pass.digest !== descriptor.digest) throw changedBetween();
    const told = (await knownAnswer(format.compression)) ? [] : [differs(encoder)];
    task.done();
    const { entries, bytes, diffId } = pass;
    return { descriptor, diffId: diffId ?? descriptor.digest, entries, bytes, told };
  } catch (error) {
    task.failed();
    throw error;
  }
}

interface Pass {
  entries: number;
  bytes: number;
  /** Undefined without compression, where it is the layer's digest: hashing once is enough. */
  diffId?: Digest;
  /** Of the layer as this pass alone would have made it; only where the pass did not begin at the beginning. */
  digest?: Digest;
}

/** A layer's bytes, made anew each time they are asked for. */
class LayerSource implements ByteSource {
  readonly #tree: Tree;
  readonly #encoder: Encoder;
  readonly #task: Task;
  /** Tar bytes of the current pass, for the progress. */
  #flown = 0;
  /** The last pass that came to its end. */
  whole: Pass | undefined;

  constructor(tree: Tree, encoder: Encoder, task: Task) {
    this.#tree = tree;
    this.#encoder = encoder;
    this.#task = task;
  }

  async *open(offset: number, call: Call): AsyncGenerator<Uint8Array> {
    this.#task.advance(-this.#flown);
    this.#flown = 0;
    this.whole = undefined;
    const pass: Pass = { entries: 0, bytes: 0 };
    const whole = offset > 0 ? digester() : undefined;
    let at = 0;
    for await (const piece of this.#encoder.encode(this.#tar(pass, call), call)) {
      call.signal.throwIfAborted();
      whole?.update(piece);
      const from = Math.max(0, offset - at);
      at += piece.length;
      if (from < piece.length) yield from === 0 ? piece : piece.subarray(from);
    }
    if (whole) pass.digest = whole.digest();
    this.whole = pass;
  }

  async *#tar(pass: Pass, call: Call): AsyncGenerator<Uint8Array> {
    const hash = this.#encoder.compression === "none" ? undefined : digester();
    for await (const chunk of tarStream(this.#tree, pass, call)) {
      hash?.update(chunk);
      this.#flown += chunk.length;
      this.#task.advance(chunk.length);
      yield chunk;
    }
    if (hash) pass.diffId = hash.digest();
  }
}

/** What one pass stored and what the next went on with do not belong together. */
function changedBetween(): BaseError {
  return new BaseError("file-changed", "the files changed before all of the layer was stored", {
    hint: "run again when nothing writes to them",
  });
}

function differs(encoder: Encoder): Finding {
  return {
    code: "compression-differs",
    severity: "note",
    subject: encoder.id,
    message:
      "this build of Node.js compresses to other bytes than its official builds, so the layer's digest may differ from theirs; its diff_id does not",
    fix: ["use an official build of Node.js, or --compress none"],
  };
}
