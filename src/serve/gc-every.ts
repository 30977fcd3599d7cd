import { formatBytes, isAbort, messageOf, quietCall } from "../base/index.ts";
import type { GcOptions, RegistryHandler } from "../registry/index.ts";

/** Collects garbage again and again until disposed, at most once at a time. Tells what it freed, and why it could not. */
export function collectEvery(
  milliseconds: number,
  collect: RegistryHandler["collect"],
  options: GcOptions,
  say: (sentence: string) => void,
): AsyncDisposable {
  const ended = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    try {
      const { bytes, findings } = await collect(options, quietCall(ended.signal));
      if (bytes > 0) say(`gc freed ${formatBytes(bytes)}`);
      // A note is for who asked: by the clock it would be told for ever.
      for (const { message, severity } of findings) if (severity !== "note") say(`gc: ${message}`);
    } catch (error) {
      if (!isAbort(error)) say(`gc failed: ${messageOf(error)}`);
    }
  }
  const timer = setInterval(() => {
    running ??= run().finally(() => {
      running = undefined;
    });
  }, milliseconds);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      ended.abort();
      await running;
    },
  };
}
