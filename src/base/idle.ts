/** Less than this in a whole idle timeout is as good as nothing: a peer that drips holds us as one that is silent does. */
const LEAST = 1024;

/** Calls back when a wait for someone else lasts too long; the time that we take ourselves does not count. */
export class IdleTimer {
  readonly #limit: number;
  readonly #onExpired: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the wait that is on began. */
  #since: number | undefined;
  /** How long was waited, and for how many bytes, since it was last worth it. */
  #waited = 0;
  #bytes = 0;
  #expired = false;

  constructor(milliseconds: number, onExpired: () => void) {
    this.#limit = milliseconds;
    this.#onExpired = onExpired;
  }

  get expired(): boolean {
    return this.#expired;
  }

  /** From here on we wait. */
  wait(): void {
    this.#since ??= performance.now();
    if (this.#timer === undefined) this.#arm();
  }

  /** What we waited for has come: so many bytes, or something that counts whatever its size. */
  rest(bytes: number = LEAST): void {
    if (this.#since !== undefined) this.#waited += performance.now() - this.#since;
    this.#since = undefined;
    this.#bytes += bytes;
    if (this.#bytes < LEAST) return;
    this.#waited = 0;
    this.#bytes = 0;
  }

  stop(): void {
    this.#since = undefined;
    clearTimeout(this.#timer);
  }

  /** One timer serves many waits: it looks, when it goes off, whether the time was really spent waiting. */
  #arm(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#since === undefined) return;
      if (this.#waited + performance.now() - this.#since < this.#limit) return this.#arm();
      this.#expired = true;
      this.#onExpired();
    }, this.#left());
    this.#timer.unref();
  }

  #left(): number {
    const now = performance.now();
    return Math.ceil(Math.max(1, this.#limit - this.#waited - (now - (this.#since ?? now))));
  }
}
