/** Work that several ask for at one time, and that is done once for all of them. */
export class Once<T> {
  readonly #running = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const there = this.#running.get(key);
    if (there !== undefined) return there;
    const running = work().finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    // Whoever asked may have gone: then nobody is there to hear.
    running.catch(() => {});
    return running;
  }

  /** Ends when all that runs has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }
}
