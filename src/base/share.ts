/** What the buffers of all transfers together may take, about. */
const BUDGET = 48 * 1024 * 1024;
/** From here on nothing is gained: most of the time goes into waking threads and moving bytes, and less of it into the first. */
const MOST = 1024 * 1024;
const LEAST = 64 * 1024;

let underway = 0;

/**
 * A transfer's share of memory: how large each of its two buffers may be, of which one is filled while the other is emptied.
 * From 25 transfers on they get smaller: the more clients a server has, the slower each is, and memory hardly grows.
 */
export class Share implements Disposable {
  /** In bytes. */
  readonly size: number;

  constructor() {
    underway++;
    this.size = Math.min(MOST, Math.max(LEAST, Math.floor(BUDGET / 2 / underway)));
  }

  [Symbol.dispose](): void {
    underway--;
  }
}
