import { ImgvolError } from "../base/index.ts";

/** Reads `host:port`, `[::1]:port` or a port alone (on loopback). 0 is any free port. */
export function parseListen(text: string, flag = "--listen"): { host: string; port: number; flag: string } {
  const [, host = "127.0.0.1", port] = /^(?:(\[[0-9a-fA-F:]+\]|[^:[\]]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new ImgvolError("listen-invalid", `not an address to listen on: ${text}`, {
      hint: `write host:port, for example ${flag} 127.0.0.1:5001`,
      wrongUse: true,
    });
  }
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port), flag };
}

/** Resolves when the caller is told to stop: how a server spends its life. */
export async function untilStopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // What is served may be in other processes: nothing else would then keep this one.
  const awake = setInterval(() => {}, 2 ** 30);
  await new Promise<void>((done) => signal.addEventListener("abort", () => done(), { once: true }));
  clearInterval(awake);
}
