import type { Call } from "./call.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** Work of this process that must not overlap, one after the other in the order in which it was asked for. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** Whether nobody is at work, or waits to be. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Runs `work` when its turn has come. @throws what it throws; the abort, where the call is cancelled before */
  async take<T>({ signal }: Call, work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const over = Promise.withResolvers<void>();
    this.#last = over.promise;
    this.#waiting++;
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      this.#waiting--;
      // One that gave up has left its place: who comes after it still waits for who came before.
      before.then(over.resolve);
    }
  }
}
