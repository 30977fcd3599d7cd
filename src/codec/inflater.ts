import { constants, createInflateRaw, createZstdDecompress } from "node:zlib";
import { CodecError } from "./errors.ts";

/** Output is handed on in pieces of at most this many bytes. */
const PIECE = 512 * 1024;

/**
 * What Node.js' zlib objects have inside, and what their own synchronous methods run on. There
 * is no public way to decompress a stream synchronously: the streams work on other threads, and the `…Sync` functions
 * want all input at once and give all output at once, which a bomb makes endless.
 */
interface Handle {
  onerror: (message: string, errno: number, code: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    outputLength: number,
  ): void;
  reset(): void;
  close(): void;
}

/** Steps through compressed bytes on this thread. */
export class Inflater {
  readonly #handle: Handle;
  /** After a write: bytes of room left in the output, bytes left of the input. */
  readonly #state: Uint32Array;
  readonly #output: Buffer = Buffer.allocUnsafeSlow(PIECE);
  #failure: CodecError | undefined;
  #closed = false;

  constructor(kind: "deflate" | "zstd") {
    const stream = kind === "deflate" ? createInflateRaw() : createZstdDecompress();
    const handle: unknown = Reflect.get(stream, "_handle");
    const state: unknown = Reflect.get(stream, "_writeState");
    if (!isHandle(handle) || !(state instanceof Uint32Array)) {
      throw new CodecError("codec-unavailable", `cannot decompress with Node.js ${process.version}`, {
        hint: "use a released version of Node.js that imgvol names as supported",
      });
    }
    this.#handle = handle;
    this.#state = state;
    // By default an error would destroy the stream object, and a process without a listener with it.
    handle.onerror = (message, _errno, code) => {
      this.#failure = new CodecError("codec-corrupt", `the ${kind} data is damaged: ${message} (${code})`);
    };
  }

  /**
   * Yields output until the input is used up, or the deflate stream has ended. A yielded piece is only good until the next is
   * asked for.
   * @returns the bytes of `input` that were used
   */
  *push(input: Uint8Array): Generator<Uint8Array, number> {
    // Node.js would end the process.
    if (this.#closed) throw this.#failure ?? new RangeError("this decoder is finished");
    for (let used = 0; ; ) {
      this.#handle.writeSync(
        constants.Z_NO_FLUSH,
        input,
        used,
        input.length - used,
        this.#output,
        0,
        this.#output.length,
      );
      if (this.#failure) {
        this.close();
        throw this.#failure;
      }
      const [room = 0, left = 0] = this.#state;
      const progress = input.length - used - left;
      used += progress;
      if (room < this.#output.length) yield this.#output.subarray(0, this.#output.length - room);
      // With room left and nothing used, no more can be done with this input.
      if (room > 0 && (left === 0 || (progress === 0 && room === this.#output.length))) return used;
    }
  }

  /** Makes ready for another stream. */
  reset(): void {
    this.#handle.reset();
  }

  /** Frees zlib's memory. */
  close(): void {
    this.#closed = true;
    this.#handle.close();
  }
}

function isHandle(value: unknown): value is Handle {
  return (
    typeof value === "object" &&
    value !== null &&
    ["writeSync", "reset", "close"].every((name) => typeof Reflect.get(value, name) === "function")
  );
}
