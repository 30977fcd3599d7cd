import type { Call } from "../base/index.ts";
import type { AppName } from "./choose-app.ts";
import type { DemoEvents } from "./events.ts";

/** One process of the demo's app: it knows nothing of telemetry. */
export interface Service {
  /** What telemetry calls it. */
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** Takes the port from a line that says where it listens. */
  readonly listening: RegExp;
  /** The name that the agent gives to the span of one of our requests. */
  readonly span: string;
}

/** An app that the demo can show. */
export interface DemoApp {
  readonly name: AppName;
  /** The agent that is switched on in it. */
  readonly preset: string;
  /** Makes it ready in the folder `home`, which is not there yet. */
  prepare(home: string, how: Preparing, call: Call): Promise<readonly Service[]>;
}

export interface Preparing {
  /** imgvol's cache folder, for downloads. */
  readonly cache: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly on: DemoEvents;
}
