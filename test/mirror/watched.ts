import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Listening, Network, quietCall, temporaryFolder } from "../../src/base/index.ts";
import type { MirrorOptions } from "../../src/mirror/index.ts";
import type { Store } from "../../src/oci/index.ts";
import { openRemote, type RemoteOptions } from "../../src/remote/index.ts";
import { startRegistry } from "../../src/serve/index.ts";

export const call = quietCall();

/** A registry in this process, and what it was asked. */
export interface Watched extends AsyncDisposable {
  /** `ADDRESS:PORT` */
  readonly host: string;
  readonly url: string;
  /** `GET /v2/…`, in the order in which the answers ended. */
  readonly asked: string[];
  readonly said: string[];
  open(repository: string): Store;
}

export async function watched(
  options: { dir?: string; mirror?: MirrorOptions; port?: number; address?: string } = {},
): Promise<Watched> {
  const asked: string[] = [];
  const said: string[] = [];
  const network = new Network({ env: {} });
  const remote: RemoteOptions = { network, retry: { attempts: 2, delay: 1 } };
  const { mirror, port = 0, address = "127.0.0.1", ...rest } = options;
  const registry: Listening = await startRegistry(
    {
      host: address,
      port,
      grace: 0,
      ...rest,
      ...(mirror === undefined ? {} : { mirror: { remote, ...mirror } }),
      accessLog(line) {
        const { method, path } = JSON.parse(line) as { method: string; path: string };
        asked.push(`${method} ${path}`);
      },
      say: (sentence) => void said.push(sentence),
    },
    call,
  );
  const host = `${address}:${registry.port}`;
  return {
    host,
    url: registry.url,
    asked,
    said,
    open: (repository) => openRemote({ registry: host, repository }, remote),
    async [Symbol.asyncDispose]() {
      network[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/**
 * Where a registry stands of which a test says that it is down: the kernel may give its port to the next that asks for any,
 * but nobody else listens at this address.
 */
export const ALONE = "127.0.0.3";

/** A folder for a registry, gone on dispose. */
export async function folder(): Promise<{ readonly dir: string } & AsyncDisposable> {
  const made = await temporaryFolder(tmpdir(), "imgvol-mirror-");
  return { dir: join(made.path, "registry"), [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}
