import { setTimeout as sleep } from "node:timers/promises";
import { type Call, type Finding, type Listening, ResourceStack } from "../base/index.ts";
import { type Mirror, type MirrorOptions, openMirror } from "../mirror/index.ts";
import {
  type Backing,
  DEFAULT_LIMITS,
  folderBacking,
  memoryBacking,
  type RegistryHandler,
  type RegistryOptions,
  registryHandler,
  serveControl,
} from "../registry/index.ts";
import { freshFolder } from "./fresh-folder.ts";
import { registryFront } from "./front.ts";
import { collectEvery } from "./gc-every.ts";
import { Health } from "./health.ts";
import { openHtpasswd } from "./htpasswd.ts";
import { fileLogins, type Logins } from "./logins.ts";
import { Metrics } from "./metrics.ts";
import { type ServeFrontOptions, serveFront } from "./serve-front.ts";
import { startWarnings } from "./start-warnings.ts";
import { usageOf } from "./usage.ts";

export interface StartOptions extends RegistryOptions, ServeFrontOptions {
  /** The folder that holds the repositories; without one they live in memory. */
  readonly dir?: string;
  /** Fetch what is not here from other registries, and keep it. Then nothing can be pushed. */
  readonly mirror?: MirrorOptions;
  /** The file of users, as `htpasswd -B` writes it: whoever asks needs a name and a password. Read again when it changes. */
  readonly htpasswd?: string;
  /** With `htpasswd`: pulling needs none. */
  readonly anonymousPull?: boolean;
  /** How long `/healthz` says 503, before dispose ends listening, in ms: load balancers then know. Default 0. */
  readonly drain?: number;
  /** Told of every exchange, as a line of JSON. */
  readonly accessLog?: (line: string) => void;
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
    for (const warning of startWarnings(options)) options.say?.(warning);
    const logins = await openLogins(options, held);
    const folder = options.dir === undefined ? undefined : held.keep(await freshFolder(options.dir));
    const backing = held.keep(options.dir === undefined ? memoryBacking() : await folderBacking(options.dir));
    const registry = held.keep(await registryOver(backing, options, held));
    if (options.dir !== undefined) held.keep(await serveControl(options.dir, registry.collect, options.say));
    if (options.gcEvery !== undefined) {
      held.keep(collectEvery(options.gcEvery, registry.collect, {}, options.say ?? (() => {})));
    }
    const health = new Health(options.dir);
    const { freeDisk } = { ...DEFAULT_LIMITS, ...options.limits };
    const room = async (): Promise<number> => Math.max(0, (await backing.room()) - freeDisk);
    const mayPush = options.readOnly !== true && options.mirror === undefined;
    const metrics = new Metrics({
      version: options.version ?? "unknown",
      uploads: () => registry.uploads,
      usage: usageOf(backing),
      room,
      writable: async () => mayPush && (await room()) > 0 && (await health.unwell()) === undefined,
      mirror: registry.figures,
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
    const server = held.keep(await serveFront(front, options));
    folder?.used();
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
): Promise<RegistryHandler & Partial<Pick<Mirror, "figures">>> {
  if (options.mirror === undefined) return registryHandler(backing, options);
  const say = options.say ?? (() => {});
  const mirror = held.keep(await openMirror(backing, { say, ...options.mirror }, options.dir));
  const registry = registryHandler(mirror, { ...options, readOnly: true });
  return {
    get uploads() {
      return registry.uploads;
    },
    collect: async (how, call) => {
      const report = await registry.collect(how, call);
      return { ...report, findings: [...report.findings, leftToItself(mirror)] };
    },
    handle: (request) => mirror.handle(request, registry.handle),
    figures: mirror.figures,
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

function leftToItself({ local: { origin } }: Mirror): Finding {
  return {
    code: "gc-mirror",
    severity: "note",
    subject: origin,
    message: `nothing is collected in ${origin} while a mirror serves it: it keeps what its upstreams gave`,
    fix: ["bound what it keeps with imgvol registry serve --mirror-size"],
  };
}

async function openLogins(options: StartOptions, held: ResourceStack): Promise<Logins | undefined> {
  if (options.htpasswd === undefined) return undefined;
  const say = options.say ?? (() => {});
  return held.keep(fileLogins(await openHtpasswd(options.htpasswd, say)));
}
