/** Aborts when the user, or the system, wants the process to end. Dispose: signals do again what they do by themselves. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

/** Ctrl-C and TERM, as an abort that lets the work clean up; the second one ends the process at once. */
export function interruption(): Interruption {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(name === "SIGTERM" ? 143 : 130);
    controller.abort();
  };
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, stop);
    },
  };
}
