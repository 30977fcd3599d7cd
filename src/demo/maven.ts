import { type Call, formatCount, messageOf, runProgram } from "../base/index.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import { OutputTail } from "./output-tail.ts";

/** How long Maven may take to end after TERM, in milliseconds. */
const GRACE = 5000;

/**
 * Builds a project. Maven's downloads are counted as progress; what it said last is shown where it fails.
 * @throws DemoError `build-failed`
 */
export async function mavenPackage(
  pom: string,
  env: Readonly<Record<string, string | undefined>>,
  on: DemoEvents,
  call: Call,
): Promise<void> {
  const words = ["mvn", "-B", "-f", pom, "package"] as const;
  on.command(commandLine(words));
  const task = call.progress?.start("mvn package", undefined, "files");
  let fetched = 0;
  const output = new OutputTail((line) => {
    if (!/^(?:\[INFO\] )?Downloaded from /.test(line)) return;
    fetched++;
    task?.advance(1);
  });
  try {
    await run(words);
    task?.done(fetched === 0 ? "built" : `${formatCount(fetched, "file", "files")} fetched, built`);
  } catch (error) {
    task?.failed();
    if (error instanceof DemoError) for (const line of output.lines) on.output(line);
    throw error;
  }

  async function run([program, ...args]: typeof words): Promise<void> {
    const how = { env, grace: GRACE, onLine: (line: string) => output.add(line) };
    const { code } = await runProgram(program, args, how, call).catch((cause: unknown) => {
      if (call.signal.aborted) throw cause;
      throw new DemoError("build-failed", `${program} could not be started: ${messageOf(cause)}`, { cause });
    });
    if (code === 0) return;
    throw new DemoError("build-failed", `${commandLine(words)} ended with ${code}`, {
      hint: "see what it said above; without Java: imgvol demo node",
    });
  }
}
