/** The time, so that a test need not wait for it. */
export interface Clock {
  /** Unix, milliseconds. */
  now(): number;
  /** Does something again and again until disposed; keeps no process alive. */
  every(milliseconds: number, work: () => void): Disposable;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  every(milliseconds, work) {
    const timer = setInterval(work, milliseconds);
    timer.unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};
