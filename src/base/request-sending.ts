import type { ClientRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseError } from "./errors.ts";
import type { IdleTimer } from "./idle.ts";

/** What a request sends: nothing, bytes, or a stream of them that is read once. */
export type Body = AsyncIterable<Uint8Array> | Uint8Array | undefined;

/** How much is handed to the system at first: a slow line, too, takes it within an idle timeout. Then as much as goes fast. */
const SLICE = 64 * 1024;
const LARGEST_SLICE = 1024 * 1024;
/** Milliseconds. */
const FAST = 250;
const SLOW = 5_000;
/** How long a source may take to close before we go on without it. */
const CLOSING = 500;

/** A request's body on its way out. */
export class Sending {
  readonly #request: ClientRequest;
  readonly #idle: IdleTimer;
  /** How many bytes were promised and not sent yet; undefined where none were. */
  #left: number | undefined;
  #slice: number = SLICE;
  #stopped = false;
  #complete = false;
  #wake: (() => void) | undefined;

  /** @param length what the request's `content-length` promises */
  constructor(request: ClientRequest, idle: IdleTimer, length: string | undefined) {
    this.#request = request;
    this.#idle = idle;
    this.#left = length === undefined ? undefined : Number(length);
  }

  /** Whether all of it was handed to the system. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Sends no more: at once, even while the source is still making the next bytes. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /**
   * Ends when all was handed to the system, or when it was stopped.
   * @throws BaseError `file-changed` where the body is not as long as was promised; what the body throws
   */
  async send(body: Body): Promise<void> {
    if (body === undefined || body instanceof Uint8Array) this.#request.end(body);
    else if (!(await this.#stream(body))) return;
    else this.#request.end();
    this.#idle.wait();
    this.#complete = true;
  }

  /** Whether it was sent to its end. */
  async #stream(body: AsyncIterable<Uint8Array>): Promise<boolean> {
    const chunks = body[Symbol.asyncIterator]();
    let open = true;
    try {
      while (!this.#stopped) {
        const next = await this.#next(chunks);
        open = next?.done !== true;
        if (next === undefined || next.done === true) break;
        this.#promised(next.value.length);
        await this.#write(next.value);
      }
    } catch (error) {
      // One that threw has closed itself.
      open = error instanceof WrongLength;
      throw error;
    } finally {
      if (open) await closed(chunks);
    }
    if (open || this.#stopped) return false;
    if (this.#left !== undefined && this.#left > 0) throw new WrongLength(this.#request.host, "less");
    return true;
  }

  #promised(length: number): void {
    if (this.#left === undefined) return;
    this.#left -= length;
    if (this.#left < 0) throw new WrongLength(this.#request.host, "more");
  }

  /** Undefined where it was stopped before the source gave anything. */
  #next(chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array> | undefined> {
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(undefined);
      chunks.next().then(resolve, reject);
    });
  }

  /** Ends when the bytes were handed to the system, not before: the source may reuse its buffer after that. */
  async #write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length && !this.#stopped; ) {
      const slice = chunk.subarray(at, at + this.#slice);
      const began = performance.now();
      this.#idle.wait();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#request.write(slice, () => resolve());
      });
      this.#idle.rest(slice.length);
      at += slice.length;
      const took = performance.now() - began;
      if (took < FAST) this.#slice = Math.min(this.#slice * 2, LARGEST_SLICE);
      else if (took > SLOW) this.#slice = Math.max(this.#slice / 2, SLICE);
    }
  }
}

class WrongLength extends BaseError {
  constructor(host: string, how: "more" | "less") {
    super("file-changed", `the content to send to ${host} has ${how} bytes than was said before`);
  }
}

/** Closes a source that was not read to its end. One that is still busy with its next bytes may never answer. */
async function closed(chunks: AsyncIterator<Uint8Array>): Promise<void> {
  const closing = Promise.resolve(chunks.return?.()).then(
    () => {},
    () => {},
  );
  await Promise.race([closing, sleep(CLOSING, undefined, { ref: false })]);
}
