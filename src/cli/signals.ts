/** Aborts when the user, or the system, wants the process to end. Dispose: signals do again what they do by themselves. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** 128 and the number of the signal that came, as a shell counts; undefined before one comes. */
  readonly exit: number | undefined;
}

const EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Ctrl-C, TERM and a closed terminal, as an abort that lets the work clean up; the second one ends the process at once. */
export function interruption(): Interruption {
  const controller = new AbortController();
  let exit: number | undefined;
  const stop = (name: NodeJS.Signals): void => {
    const code = EXITS[name as keyof typeof EXITS];
    if (exit !== undefined) process.exit(code);
    exit = code;
    controller.abort();
  };
  const names = Object.keys(EXITS) as (keyof typeof EXITS)[];
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    get exit() {
      return exit;
    },
    [Symbol.dispose]() {
      for (const name of names) process.off(name, stop);
    },
  };
}
