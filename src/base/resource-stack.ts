/**
 * Resources that are kept until the whole is done, and closed the last one first. (Node.js 22 has no AsyncDisposableStack.)
 * An error of one does not keep the others open; the first is thrown when all were closed.
 */
export class ResourceStack implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = [];

  /** @returns the resource */
  keep<T extends AsyncDisposable>(resource: T): T {
    this.#held.push(resource);
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let last = this.#held.pop(); last !== undefined; last = this.#held.pop()) {
      try {
        await last[Symbol.asyncDispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
