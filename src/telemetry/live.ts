import type { Storage } from "./storage.ts";

/** How often a busy storage is told of at most, and a quiet one at least, in ms. */
const PACE = 400;
const HEARTBEAT = 15_000;

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): `stored` each time there is
 * something new to query. It says that, not what: a slow reader misses nothing by reading late.
 */
export async function* storedEvents(
  storage: Pick<Storage, "onStored">,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let fresh = false;
  let wake = (): void => {};
  using _listening = storage.onStored(() => {
    fresh = true;
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    yield Buffer.from("retry: 1000\nevent: stored\ndata:\n\n");
    while (!signal.aborted) {
      if (!fresh) await pause(HEARTBEAT, (now) => (wake = now));
      if (signal.aborted) return;
      yield Buffer.from(fresh ? "event: stored\ndata:\n\n" : ": still here\n\n");
      fresh = false;
      wake = () => {};
      await pause(PACE, (now) => signal.aborted && now());
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Waits `ms`, or until the function handed to `early` is called. */
function pause(ms: number, early: (now: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    early(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
