import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Call, errno, messageOf } from "../base/index.ts";
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
  const words = ["mvn", "-B", "-f", pom, "package"];
  on.command(commandLine(words));
  const task = call.progress?.start("mvn package", undefined, "entries");
  let fetched = 0;
  const output = new OutputTail((line) => {
    if (!/^(?:\[INFO\] )?Downloaded from /.test(line)) return;
    fetched++;
    task?.advance(1);
  });
  try {
    await runGroup(words, env, output, call);
    task?.done(fetched === 0 ? "built" : `${fetched} files fetched, built`);
  } catch (error) {
    task?.failed();
    if (error instanceof DemoError) for (const line of output.lines) on.output(line);
    throw error;
  }
}

/** Runs a program with all that it starts as a process group of its own, so that an abort ends every one of them. */
async function runGroup(
  [program = "", ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  output: OutputTail,
  call: Call,
): Promise<void> {
  call.signal.throwIfAborted();
  const child = spawn(program, args, { env: { ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", output.stream());
  child.stderr.on("data", output.stream());
  const kill = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch (error) {
      if (errno(error) !== "ESRCH") throw error;
    }
  };
  let hard: NodeJS.Timeout | undefined;
  const stop = (): void => {
    kill("SIGTERM");
    hard = setTimeout(kill, GRACE, "SIGKILL");
  };
  const ending = (): void => kill("SIGKILL");
  call.signal.addEventListener("abort", stop, { once: true });
  process.once("exit", ending);
  try {
    const [code, signal] = await once(child, "close").catch((error: unknown) => {
      throw new DemoError("build-failed", `${program} could not be started: ${messageOf(error)}`);
    });
    call.signal.throwIfAborted();
    if (code === 0) return;
    throw new DemoError(
      "build-failed",
      `${program} ${args.join(" ")} ended with ${signal ?? `code ${code}`}`,
      {
        hint: "see what it said above; without Java: imgvol demo node",
      },
    );
  } finally {
    clearTimeout(hard);
    process.off("exit", ending);
    call.signal.removeEventListener("abort", stop);
  }
}
