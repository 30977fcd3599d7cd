import { setTimeout } from "node:timers/promises";
import type { Call } from "../base/index.ts";
import { findPreset } from "../preset/index.ts";
import type { Storage, TelemetryQueries } from "../telemetry/index.ts";
import type { Service } from "./app.ts";
import { missing, type ServiceTelemetry, telemetryOf } from "./arrived.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import type { Running } from "./running.ts";

/** What is waited for. */
export interface Watched {
  readonly services: readonly Service[];
  /** Each rejects when what it watches ends by itself. */
  readonly ended: readonly Promise<never>[];
  /** Resolves when something more may have come. */
  news(call: Call): Promise<void>;
  /** The last lines that the services wrote. */
  said(): Promise<readonly string[]>;
}

/** Services on this machine, whose telemetry comes to a dashboard in this process. */
export function watchedHere(running: readonly Running[], storage: Storage): Watched {
  return {
    services: running.map(({ service }) => service),
    ended: running.map(({ ended }) => ended),
    async news(call) {
      const heard = new AbortController();
      using _listening = storage.onStored(() => heard.abort());
      const signal = AbortSignal.any([heard.signal, call.signal]);
      await setTimeout(1000, undefined, { signal }).catch(() => {});
      call.signal.throwIfAborted();
    },
    said: async () => running.flatMap(({ output }) => output.lines),
  };
}

/** How long telemetry may take to come, in seconds. */
const PATIENCE = 90;
const TOLD_EVERY = 10;

/**
 * Waits until every service has sent what its agent is known to send.
 * @throws DemoError `telemetry-missing`, `app-failed`
 */
export async function waitForTelemetry(
  watched: Watched,
  preset: string,
  storage: TelemetryQueries,
  on: DemoEvents,
  call: Call,
): Promise<readonly ServiceTelemetry[]> {
  const { services } = watched;
  const { signals } = findPreset(preset).expects;
  const started = performance.now();
  for (let told = 0; ; ) {
    const found = await Promise.all(services.map((service) => telemetryOf(service, storage)));
    const lacking = services.flatMap((service, i) => {
      const telemetry = found[i];
      return telemetry === undefined ? [] : missing(service, signals, telemetry);
    });
    if (lacking.length === 0) return found;
    const seconds = Math.floor((performance.now() - started) / 1000);
    if (seconds >= PATIENCE) throw await giveUp(watched, lacking, on);
    if (seconds >= told + TOLD_EVERY) {
      told = seconds;
      on.note(`waiting for ${lacking.join(", ")}: ${seconds} s`);
    }
    await Promise.race([watched.news(call), ...watched.ended]);
  }
}

async function giveUp(watched: Watched, lacking: readonly string[], on: DemoEvents): Promise<DemoError> {
  for (const line of await watched.said()) on.output(line);
  return new DemoError("telemetry-missing", `after ${PATIENCE} s there are still no ${lacking.join(", ")}`, {
    hint: "see what the app said above",
  });
}
