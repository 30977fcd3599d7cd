import type { IncomingMessage } from "node:http";
import { BaseError } from "./errors.ts";
import { release } from "./release.ts";
import { Share } from "./share.ts";

/**
 * A request's body, in pieces as large as what came while the last one was worked on. Node.js gives 64 KiB at a time, each in
 * memory of its own: they are copied into one of two buffers and given back at once, so that an upload takes the same memory
 * however fast it comes, and its reader writes and hashes large pieces (docs/adr/0101).
 *
 * @param idle how long the client may keep us waiting, in ms
 * @throws BaseError `aborted` where the client went away before the end
 */
export async function* requestBody(request: IncomingMessage, idle: number): AsyncGenerator<Uint8Array> {
  using share = new Share();
  const gathered = new Gathered(request, share.size);
  try {
    for (;;) {
      // The timeout runs only while we wait for the client, never while a piece is being worked on.
      if (gathered.wantsMore) {
        request.socket.setTimeout(idle);
        await gathered.more();
        request.socket.setTimeout(0);
      }
      const piece = gathered.take();
      if (piece === undefined) break;
      yield piece;
    }
  } finally {
    request.socket.setTimeout(0);
    gathered.stop();
  }
  gathered.free();
}

class Gathered {
  readonly #request: IncomingMessage;
  readonly #size: number;
  /** The one that fills, and the one that the reader has or had. */
  #filling: Buffer | undefined;
  #given: Buffer | undefined;
  #filled = 0;
  /** A chunk that found no room, from `at` on; the request is paused then. */
  #rest: { readonly chunk: Uint8Array; readonly at: number } | undefined;
  #ended = false;
  #failed: BaseError | undefined;
  #wake: () => void = () => {};

  constructor(request: IncomingMessage, share: number) {
    this.#request = request;
    // Most bodies are small, and say so.
    this.#size = Math.min(share, Math.max(Number(request.headers["content-length"] ?? share), 1));
    request
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onError)
      .on("close", this.#onClose);
    if (request.readableEnded) this.#onEnd();
    else if (request.destroyed) this.#onClose();
    else request.resume();
  }

  /** A reader that is faster than the client gets half of a buffer at least: each piece costs it a thread to be woken. */
  get wantsMore(): boolean {
    return this.#filled < this.#size / 2 && !this.#ended && this.#failed === undefined;
  }

  /** Done when enough came, or the end, or an error. */
  async more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** What was gathered; undefined at the end. The piece before it is the gatherer's again. */
  take(): Uint8Array | undefined {
    if (this.#filled === 0 && this.#failed !== undefined) throw this.#failed;
    if (this.#filled === 0) return undefined;
    const piece = this.#filling?.subarray(0, this.#filled);
    [this.#filling, this.#given] = [this.#given, this.#filling];
    this.#filled = 0;
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined) this.#gather(rest.chunk, rest.at);
    if (this.#rest === undefined) this.#request.resume();
    return piece;
  }

  /** The reader wants no more. */
  stop(): void {
    const request = this.#request;
    request
      .off("data", this.#onData)
      .off("end", this.#onEnd)
      .off("error", this.#onError)
      .off("close", this.#onClose);
    request.pause();
  }

  /** Gives the memory back. Only when the reader has asked again after its last piece. */
  free(): void {
    for (const buffer of [this.#filling, this.#given]) if (buffer !== undefined) release(buffer);
  }

  #gather(chunk: Uint8Array, at: number): void {
    this.#filling ??= Buffer.allocUnsafeSlow(this.#size);
    const end = Math.min(chunk.length, at + this.#size - this.#filled);
    this.#filling.set(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), this.#filled);
    this.#filled += end - at;
    if (end < chunk.length) {
      this.#rest = { chunk, at: end };
      this.#request.pause();
    } else {
      release(chunk);
    }
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#gather(chunk, 0);
    if (!this.wantsMore) this.#wake();
  };

  readonly #onEnd = (): void => {
    // A body that was cut may still end, without having been whole.
    if (this.#request.complete) this.#ended = true;
    else this.#failed = cut();
    this.#wake();
  };

  readonly #onError = (cause: unknown): void => {
    this.#failed ??= cut(cause);
    this.#wake();
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#failed ??= cut();
    this.#wake();
  };
}

function cut(cause?: unknown): BaseError {
  return new BaseError("aborted", "the client went away in the middle of its request", { cause });
}
