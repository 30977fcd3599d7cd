import { type Call, collect, request } from "../base/index.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import type { Running } from "./running.ts";

/** Whom the services greet. */
export const NAMES: readonly string[] = ["world", "pod", "volume"];

/** The first answer of a service may take long on a busy machine: in milliseconds. */
const SLOWEST = 180_000;

/** Sends the demo's requests to a service, one after the other. @throws DemoError `app-failed`; BaseError */
export async function sendRequests(
  { service, url }: Pick<Running, "service" | "url">,
  on: DemoEvents,
  call: Call,
): Promise<void> {
  for (const name of NAMES) {
    const to = `${url}/hello/${name}`;
    on.command(commandLine(["curl", to]));
    const response = await request({ method: "GET", url: new URL(to), idleTimeout: SLOWEST }, call);
    const text = Buffer.from(await collect(response.body, 64 * 1024, to)).toString();
    on.note(text.trimEnd());
    if (response.status === 200) continue;
    throw new DemoError("app-failed", `${service.name} answered ${response.status} to GET ${to}`);
  }
}
