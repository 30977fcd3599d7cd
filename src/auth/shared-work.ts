import { type Call, unlessAborted } from "../base/index.ts";

interface Flight<T> {
  readonly result: Promise<T>;
  readonly unwanted: AbortController;
  waiting: number;
}

/**
 * Work that many callers ask for at the same time, done once. A caller who is cancelled leaves at once, and the work goes
 * on for the others; it is cancelled with the last of them.
 */
export class SharedWork<T> {
  readonly #flights = new Map<string, Flight<T>>();

  async run(key: string, call: Call, work: (call: Call) => Promise<T>): Promise<T> {
    call.signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, call, work);
    flight.waiting++;
    try {
      return await unlessAborted(flight.result, call.signal);
    } finally {
      if (--flight.waiting === 0) {
        this.#end(key, flight);
        flight.unwanted.abort(call.signal.reason);
      }
    }
  }

  #begin(key: string, { progress }: Call, work: (call: Call) => Promise<T>): Flight<T> {
    const unwanted = new AbortController();
    const result = work({ signal: unwanted.signal, progress });
    const flight = { result, unwanted, waiting: 0 };
    this.#flights.set(key, flight);
    // What has ended is not shared any more: who comes later asks anew. A failure is told to those who wait.
    const end = (): void => this.#end(key, flight);
    result.then(end, end);
    return flight;
  }

  #end(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
