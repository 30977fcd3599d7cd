import type { Call } from "../base/index.ts";

/**
 * What comes on stdin. On abort it is closed: a silent pipe or a terminal that is still waited for would keep the process
 * alive when all its work has ended.
 */
export async function* stdin({ signal }: Call): AsyncGenerator<Uint8Array> {
  const close = (): void => {
    process.stdin.destroy();
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    for await (const chunk of process.stdin) yield chunk;
  } catch (error) {
    // A stream that is closed early says only that.
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}
