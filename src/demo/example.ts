import { cp } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type Call, exists } from "../base/index.ts";
import type { AppName } from "./choose-app.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";

/** Beside src/ and dist/ alike. */
const EXAMPLES = new URL("../../examples/", import.meta.url);

/** What builds leave in a clone: of another machine, or of another time. */
const MADE: ReadonlySet<string> = new Set(["target", "node_modules"]);

/**
 * Copies an example, since the folder of an installed package may not be ours to write to.
 * @throws DemoError `example-missing`
 */
export async function copyExample(name: AppName, to: string, on: DemoEvents, call: Call): Promise<void> {
  const from = fileURLToPath(new URL(name, EXAMPLES));
  if (!(await exists(from))) {
    throw new DemoError("example-missing", `the example app is not where it should be: ${from}`, {
      hint: "install imgvol again",
    });
  }
  on.command(commandLine(["cp", "-R", from, to]));
  const filter = (path: string): boolean => path === from || !MADE.has(basename(path));
  await cp(from, to, { recursive: true, filter });
  call.signal.throwIfAborted();
}
