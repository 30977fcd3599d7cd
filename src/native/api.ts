import { readFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, errno } from "../base/index.ts";

/** As much of a client of the API server as it takes to start and to watch a cluster. Dispose: closes its connections. */
export interface ApiClient extends Disposable {
  /** A GET; undefined where the server does not answer yet, or with anything but 200. */
  get(path: string, call: Call): Promise<string | undefined>;
}

/** @param pki the folder with the admin's certificate */
export async function openApi(host: string, port: number, pki: string): Promise<ApiClient> {
  const [ca, cert, key] = await Promise.all(
    ["ca.crt", "admin.crt", "admin.key"].map((name) => readFile(join(pki, name))),
  );
  const agent = new Agent({ ca, cert, key, keepAlive: true, maxSockets: 4 });
  return {
    get: (path, call) =>
      new Promise((resolve, reject) => {
        const asked = request({ host, port, path, agent, signal: call.signal, timeout: 5000 }, (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            text += part;
          });
          response.on("end", () => resolve(response.statusCode === 200 ? text : undefined));
          response.on("error", () => resolve(undefined));
        });
        asked.on("timeout", () => asked.destroy());
        asked.on("error", (error) => {
          if (call.signal.aborted) reject(call.signal.reason);
          else if (errno(error) === undefined) reject(error);
          else resolve(undefined);
        });
        asked.end();
      }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** Asks again and again until there is something. */
export async function until<T>(ask: () => Promise<T | undefined>, call: Call, every = 50): Promise<T> {
  for (;;) {
    call.signal.throwIfAborted();
    const found = await ask();
    if (found !== undefined) return found;
    await sleep(every, undefined, { signal: call.signal });
  }
}

/** Whether the node says that it is ready. */
export function isReady(node: string): true | undefined {
  const { status } = JSON.parse(node) as {
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  };
  const ready = status?.conditions?.find((condition) => condition.type === "Ready");
  return ready?.status === "True" ? true : undefined;
}
