/** Calls back when a wait for someone else lasts too long; the time we take ourselves does not count. */
export class IdleTimer {
  readonly #timer: NodeJS.Timeout;
  #waiting = false;
  #expired = false;

  constructor(milliseconds: number, onExpired: () => void) {
    this.#timer = setTimeout(() => {
      if (!this.#waiting) return;
      this.#expired = true;
      onExpired();
    }, milliseconds);
    this.#timer.unref();
  }

  get expired(): boolean {
    return this.#expired;
  }

  /** From here on we wait. */
  wait(): void {
    this.#waiting = true;
    this.#timer.refresh();
  }

  /** What we waited for has come. */
  rest(): void {
    this.#waiting = false;
  }

  stop(): void {
    this.#waiting = false;
    clearTimeout(this.#timer);
  }
}
