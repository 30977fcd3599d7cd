import { setTimeout } from "node:timers/promises";
import type { Call } from "../base/index.ts";
import { findPreset } from "../preset/index.ts";
import type { Storage } from "../telemetry/index.ts";
import { missing, type ServiceTelemetry, telemetryOf } from "./arrived.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import type { Running } from "./running.ts";

/** How long telemetry may take to come, in seconds. */
const PATIENCE = 90;
const TOLD_EVERY = 10;

/**
 * Waits until every service has sent what its agent is known to send.
 * @throws DemoError `telemetry-missing`, `app-failed`
 */
export async function waitForTelemetry(
  running: readonly Running[],
  preset: string,
  storage: Storage,
  on: DemoEvents,
  call: Call,
): Promise<readonly ServiceTelemetry[]> {
  const { signals } = findPreset(preset).expects;
  const started = performance.now();
  for (let told = 0; ; ) {
    const found = await Promise.all(running.map(({ service }) => telemetryOf(service, storage)));
    const lacking = running.flatMap(({ service }, i) => {
      const telemetry = found[i];
      return telemetry === undefined ? [] : missing(service, signals, telemetry);
    });
    if (lacking.length === 0) return found;
    const seconds = Math.floor((performance.now() - started) / 1000);
    if (seconds >= PATIENCE) throw giveUp(running, lacking, on);
    if (seconds >= told + TOLD_EVERY) {
      told = seconds;
      on.note(`waiting for ${lacking.join(", ")}: ${seconds} s`);
    }
    await Promise.race([news(storage, call), ...running.map(({ ended }) => ended)]);
  }
}

/** Resolves when something more has come, or after a second. */
async function news(storage: Storage, call: Call): Promise<void> {
  const heard = new AbortController();
  using _listening = storage.onStored(() => heard.abort());
  await setTimeout(1000, undefined, { signal: AbortSignal.any([heard.signal, call.signal]) }).catch(() => {});
  call.signal.throwIfAborted();
}

function giveUp(running: readonly Running[], lacking: readonly string[], on: DemoEvents): DemoError {
  for (const { output } of running) for (const line of output.lines) on.output(line);
  return new DemoError("telemetry-missing", `after ${PATIENCE} s there are still no ${lacking.join(", ")}`, {
    hint: "see what the app said above",
  });
}
