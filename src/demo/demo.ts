import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Call, ResourceStack, temporaryFolder } from "../base/index.ts";
import { startRegistry } from "../serve/index.ts";
import { startDashboard, type Trace } from "../telemetry/index.ts";
import { openCache } from "../volume/index.ts";
import type { DemoApp } from "./app.ts";
import { latestTrace, type ServiceTelemetry } from "./arrived.ts";
import { type AppName, chooseApp } from "./choose-app.ts";
import { commandLine } from "./command-line.ts";
import type { DemoEvents } from "./events.ts";
import { type AgentImage, publishAgent } from "./image.ts";
import { findJavaTools } from "./java-tools.ts";
import { node } from "./node.ts";
import { sendRequests } from "./requests.ts";
import { type Running, startService } from "./running.ts";
import { spring } from "./spring.ts";
import { waitForTelemetry, watchedHere } from "./wait.ts";

export interface DemoOptions {
  /** Default: spring where it can be built, else node. */
  readonly app?: AppName | undefined;
  readonly on: DemoEvents;
  /** The node cache, for downloads and volumes. Default: the user's. */
  readonly cache?: string | undefined;
  /** Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** What the demo has shown. */
export interface DemoResult {
  readonly app: AppName;
  /** The agent's volume. */
  readonly volume: AgentImage;
  /** The dashboard's page, with its token. */
  readonly dashboard: string;
  /** Each service of the app, with what it sent. */
  readonly services: readonly ServiceTelemetry[];
  /** The newest trace of each. */
  readonly traces: readonly Trace[];
}

/** A demo that is up. Dispose: ends its apps and servers and removes its temporary folder. */
export interface Demo extends DemoResult, AsyncDisposable {}

const APPS: Readonly<Record<AppName, DemoApp>> = { spring, node };

/**
 * The whole journey on this machine: a registry, an agent fetched, packed and pushed, an app that knows nothing of it run
 * with its volume, and the telemetry that comes of it. Everything listens on loopback, at free ports.
 *
 * @throws DemoError; what the steps throw. Nothing of it runs on then.
 */
export async function runDemo(options: DemoOptions, call: Call): Promise<Demo> {
  const held = new ResourceStack();
  const keep = <T extends AsyncDisposable>(resource: T): T => {
    held.keep(resource);
    call.signal.throwIfAborted();
    return resource;
  };
  try {
    const shown = await steps(options, keep, call);
    return { ...shown, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

type Keep = <T extends AsyncDisposable>(resource: T) => T;

async function steps(options: DemoOptions, keep: Keep, call: Call): Promise<DemoResult> {
  const { on, env = process.env } = options;
  const tools = options.app === "node" ? NO_JAVA : await findJavaTools(env, call);
  const chosen = chooseApp(options.app, tools);
  const app = APPS[chosen.app];
  on.note(`demo ${chosen.app} (${chosen.why})`);
  const cache = await openCache(options.cache);
  const { path: work } = keep(await temporaryFolder(tmpdir(), "imgvol-demo-"));

  const registry = keep(await startRegistry({ host: "127.0.0.1", port: 0 }, call));
  const host = `${registry.host}:${registry.port}`;
  on.command(commandLine(["imgvol", "registry", "serve", "--listen", host], {}, true));
  const image = await publishAgent(app.preset, host, work, cache.path, on, call);

  const dashboard = keep(await startDashboard({ otlpGrpcPort: 0, otlpHttpPort: 0, uiPort: 0 }, call));
  const otlp = dashboard.otlpHttp.endpoint;
  on.command(dashboardCommand([dashboard.otlpGrpc.endpoint, otlp, dashboard.origin]));
  on.note(dashboard.url);

  const home = join(work, "app");
  const services = await app.prepare(home, { cache: cache.path, env, on }, call);
  const running: Running[] = [];
  for (const service of services) {
    const around = { image, preset: app.preset, otlp, cache, home, env, on };
    running.push(keep(await startService(service, around, call)));
  }
  for (const one of running) await sendRequests(one, on, call);
  const telemetry = await waitForTelemetry(
    watchedHere(running, dashboard.storage),
    app.preset,
    dashboard.storage,
    on,
    call,
  );
  const traces = await Promise.all(services.map((service) => latestTrace(service, dashboard.storage)));
  return {
    app: app.name,
    volume: image,
    dashboard: dashboard.url,
    services: telemetry,
    traces: traces.filter((trace) => trace !== undefined),
  };
}

const NO_JAVA = { javac: undefined, maven: undefined };

function dashboardCommand(urls: readonly [grpc: string, http: string, ui: string]): string {
  const [grpc = "", http = "", ui = ""] = urls.map((url) => new URL(url).port);
  const ports = ["--otlp-grpc-port", grpc, "--otlp-http-port", http, "--ui-port", ui];
  return commandLine(["imgvol", "dashboard", ...ports], {}, true);
}
