import { setTimeout } from "node:timers/promises";
import type { Call } from "../base/index.ts";
import { openStore } from "../copy/index.ts";
import { parseReference, wantedOf } from "../oci/index.ts";
import { findPreset, targetsFor } from "../preset/index.ts";
import { type Cache, type Exit, runVolumes } from "../volume/index.ts";
import type { Service } from "./app.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import type { AgentImage } from "./image.ts";
import { OutputTail } from "./output-tail.ts";

/** How long a service may take to start, in seconds: an agent has much to weave in, and on a busy machine that took 100 s. */
const START = 300;

/** SDKs wait for more to send, metrics a whole minute; a demo's watcher would rather see something. */
const IMPATIENT: Readonly<Record<string, string>> = {
  OTEL_BSP_SCHEDULE_DELAY: "200",
  OTEL_BLRP_SCHEDULE_DELAY: "200",
  OTEL_METRIC_EXPORT_INTERVAL: "1000",
};

/** What a service gets of the user's environment: no agent or setting of theirs may mix with the demo's. */
const PASSED = ["PATH", "HOME", "USER", "JAVA_HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"] as const;

export interface Surroundings {
  readonly image: AgentImage;
  readonly preset: string;
  /** Where OTLP goes. */
  readonly otlp: string;
  readonly cache: Cache;
  /** The service's working folder. */
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly on: DemoEvents;
}

/** A service that listens. Dispose: ends it, and waits until it has ended. */
export interface Running extends AsyncDisposable {
  readonly service: Service;
  /** Without a slash at the end. */
  readonly url: string;
  readonly output: OutputTail;
  /** Rejects with DemoError `app-failed` when the service ends by itself, or with the abort's reason. */
  readonly ended: Promise<never>;
}

/** Starts a service with the agent's volume, and waits until it listens. @throws DemoError `app-failed`; what `runVolumes` throws */
export async function startService(service: Service, around: Surroundings, call: Call): Promise<Running> {
  const stop = new AbortController();
  const inner: Call = { ...call, signal: AbortSignal.any([call.signal, stop.signal]) };
  const listening = Promise.withResolvers<string>();
  const output = new OutputTail((line) => {
    const port = service.listening.exec(line)?.[1];
    if (port !== undefined) listening.resolve(`http://127.0.0.1:${port}`);
  });
  const ended = launched(service, around, output, inner).then((exit): never => {
    throw failed(service, `ended with code ${exit.code}`);
  });
  const over = ended.catch(() => undefined);
  const dispose = async (): Promise<void> => {
    stop.abort();
    await over;
  };
  const patience = new AbortController();
  try {
    const url = await Promise.race([listening.promise, ended, late(service, around.on, patience.signal)]);
    return { service, url, output, ended, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    if (error instanceof DemoError) for (const line of output.lines) around.on.output(line);
    throw error;
  } finally {
    patience.abort();
  }
}

async function launched(
  service: Service,
  around: Surroundings,
  output: OutputTail,
  call: Call,
): Promise<Exit> {
  const { image, preset, otlp, on } = around;
  const settings = { HOST: "127.0.0.1", PORT: "0", ...IMPATIENT };
  const flags = [
    "-p",
    `${preset}=${image.reference}`,
    "--otlp-endpoint",
    otlp,
    "--service-name",
    service.name,
  ];
  on.command(commandLine(["imgvol", "run", ...flags, "--", ...service.argv], settings, true));
  const reference = parseReference(image.reference);
  await using store = await openStore(reference, {}, call);
  const passed = Object.fromEntries(PASSED.map((name) => [name, around.env[name]]));
  return await runVolumes(
    around.cache,
    [{ store, wanted: wantedOf(reference), reference: image.reference, preset: findPreset(preset) }],
    {
      argv: service.argv,
      env: { ...passed, ...settings },
      cwd: around.home,
      stdin: "ignore",
      stdout: output.stream(),
      stderr: output.stream(),
    },
    {
      otlp: targetsFor(otlp),
      serviceName: service.name,
      tell: (findings) => {
        for (const { severity, message } of findings) on.note(`${severity}: ${message}`);
      },
      // Not where: on a machine that can mount nothing, it is not the mount path.
      ready: ({ digest }) => on.note(`${service.name} gets the volume ${digest}`),
    },
    call,
  );
}

/** Says now and then that a service still starts, and gives up in the end. */
async function late(service: Service, on: DemoEvents, signal: AbortSignal): Promise<never> {
  for (let seconds = 10; seconds < START; seconds += 10) {
    await setTimeout(10_000, undefined, { signal, ref: false });
    on.note(`${service.name} is starting: ${seconds} s`);
  }
  throw failed(service, `did not listen within ${START} s`);
}

function failed(service: Service, what: string): DemoError {
  return new DemoError("app-failed", `${service.name} ${what}`, { hint: "see what it said above" });
}
