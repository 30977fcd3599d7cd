import { stat } from "node:fs/promises";

/**
 * Calls `changed` after one of the files was replaced or rewritten, until disposed. By looking now and then, for that also
 * sees what Kubernetes does with a Secret (a link above the file is swapped) and what happens on network file systems.
 * A file that is missing counts as a state of its own.
 *
 * @param since their {@link fingerprint} when they were read
 * @param interval between two looks, in ms
 */
export function watchFiles(
  paths: readonly string[],
  since: string,
  changed: () => Promise<void>,
  interval = 5000,
): AsyncDisposable {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let before = since;
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const now = await fingerprint(paths);
    if (now === before || stopped) return;
    before = now;
    await changed();
  }
  function again(): void {
    if (stopped) return;
    timer = setTimeout(() => {
      looking = look().finally(again);
    }, interval).unref();
  }
  again();
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

/** What tells one state of files from another: which they are, how long, and when they were last changed. */
export async function fingerprint(paths: readonly string[]): Promise<string> {
  const states = paths.map(async (path) => {
    const s = await stat(path, { bigint: true }).catch(() => undefined);
    return s === undefined ? "missing" : `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`;
  });
  return (await Promise.all(states)).join(" ");
}
