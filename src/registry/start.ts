import { setTimeout as sleep } from "node:timers/promises";
import {
  type Call,
  fingerprint,
  isLoopback,
  type Listening,
  messageOf,
  ResourceStack,
  readTls,
  type ServeOptions,
  type Serving,
  serve,
  type TlsFiles,
  watchFiles,
} from "../base/index.ts";
import { errorAnswer, failureAnswer } from "./answer.ts";
import type { Backing } from "./backing.ts";
import { serveControl } from "./control.ts";
import { folderBacking } from "./folder-backing.ts";
import { type Front, registryFront } from "./front.ts";
import { collectEvery } from "./gc-every.ts";
import { type RegistryHandler, type RegistryOptions, registryHandler } from "./handler.ts";
import { Health } from "./health.ts";
import { openHtpasswd } from "./htpasswd.ts";
import { fileLogins, type Logins } from "./logins.ts";
import { memoryBacking } from "./memory-backing.ts";
import { Metrics } from "./metrics.ts";
import { type MirrorOptions, openMirror } from "./mirror.ts";
import { usageOf } from "./usage.ts";

export interface StartOptions
  extends RegistryOptions,
    Pick<ServeOptions, "host" | "port" | "allowHosts" | "flag" | "grace"> {
  /** The folder that holds the repositories; without one they live in memory. */
  readonly dir?: string;
  /** Fetch what is not here from other registries, and keep it. Then nothing can be pushed. */
  readonly mirror?: MirrorOptions;
  /** Speak HTTPS. The files are looked at again and again: a new certificate needs no new start. */
  readonly tls?: TlsFiles & {
    /** Between two looks, in ms. Default 5,000. */
    readonly lookEvery?: number;
  };
  /** The file of users, as `htpasswd -B` writes it: whoever asks needs a name and a password. Read again when it changes. */
  readonly htpasswd?: string;
  /** With `htpasswd`: pulling needs none. */
  readonly anonymousPull?: boolean;
  /** How long `/healthz` says 503, before dispose ends listening, in ms: load balancers then know. Default 0. */
  readonly drain?: number;
  /** Told of every exchange, as a line of JSON. */
  readonly accessLog?: (line: string) => void;
  /** Told what its operator should know: a file that has changed, a password in clear. */
  readonly say?: (sentence: string) => void;
  /** Collect garbage so often, in ms. Default: only when `collectFolder` asks. */
  readonly gcEvery?: number;
  /** Of the program, for the metrics. */
  readonly version?: string;
}

/**
 * A registry that listens, with its pages on `/`, `/metrics` and `/healthz`. Dispose lets requests on their way end within
 * `grace`, then closes what lies behind.
 *
 * @throws BaseError `port-in-use`, `listen-failed`, `tls-failed`; RegistryError `registry-locked`, `folder-unusable`,
 *   `htpasswd-invalid`, `htpasswd-unreadable`
 */
export async function startRegistry(options: StartOptions, call: Call): Promise<Listening> {
  call.signal.throwIfAborted();
  const held = new ResourceStack();
  try {
    const logins = await openLogins(options, held);
    const backing = held.keep(options.dir === undefined ? memoryBacking() : await folderBacking(options.dir));
    const registry = held.keep(await registryOver(backing, options, held));
    if (options.dir !== undefined) held.keep(await serveControl(options.dir, registry.collect, options.say));
    if (options.gcEvery !== undefined) {
      held.keep(collectEvery(options.gcEvery, registry.collect, {}, options.say ?? (() => {})));
    }
    const health = new Health(options.dir);
    const metrics = new Metrics({
      version: options.version ?? "unknown",
      uploads: () => registry.uploads,
      usage: usageOf(backing),
      room: () => backing.room(),
    });
    const { anonymousPull, accessLog } = options;
    const front = registryFront(registry.handle, {
      backing,
      health,
      metrics,
      logins,
      anonymousPull,
      accessLog,
    });
    const server = await listening(front, options, held);
    return {
      url: server.url,
      host: server.host,
      port: server.port,
      async [Symbol.asyncDispose]() {
        health.stop();
        await sleep(options.drain ?? 0);
        await held[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

/** Over what is here, or as a mirror over that: then nothing can be pushed. */
async function registryOver(
  backing: Backing,
  options: StartOptions,
  held: ResourceStack,
): Promise<RegistryHandler> {
  if (options.mirror === undefined) return registryHandler(backing, options);
  const say = options.say ?? (() => {});
  const mirror = held.keep(await openMirror(backing, { say, ...options.mirror }, options.dir));
  const registry = registryHandler(mirror, { ...options, readOnly: true });
  return {
    get uploads() {
      return registry.uploads;
    },
    collect: (how, call) => registry.collect(how, call),
    handle: (request) => mirror.handle(request, registry.handle),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

async function openLogins(options: StartOptions, held: ResourceStack): Promise<Logins | undefined> {
  if (options.htpasswd === undefined) return undefined;
  const say = options.say ?? (() => {});
  if (options.tls === undefined && !isLoopback(options.host)) {
    say(
      "warning: passwords cross the network in clear: speak HTTPS with --tls-cert, or behind a proxy that does",
    );
  }
  return held.keep(fileLogins(await openHtpasswd(options.htpasswd, say)));
}

async function listening(
  { handle, around }: Front,
  options: StartOptions,
  held: ResourceStack,
): Promise<Serving> {
  const { tls, ...rest } = options;
  const files =
    tls === undefined ? [] : [tls.cert, tls.key, ...(tls.clientCa === undefined ? [] : [tls.clientCa])];
  const since = await fingerprint(files);
  const server = held.keep(
    await serve(handle, {
      ...rest,
      ...(tls === undefined ? {} : { tls: await readTls(tls) }),
      around,
      linked: true,
      errorResponse: (_status, error) => errorAnswer(error) ?? failureAnswer(),
    }),
  );
  if (tls === undefined) return server;
  const renew = async (): Promise<void> => {
    try {
      server.renew(await readTls(tls));
      options.say?.(`${files.join(", ")}: changed, new connections get the new certificate`);
    } catch (error) {
      options.say?.(`the certificate stays as it was: ${messageOf(error)}`);
    }
  };
  held.keep(watchFiles(files, since, renew, tls.lookEvery));
  return server;
}
