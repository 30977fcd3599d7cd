import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { constants as system } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import type { Call } from "./call.ts";
import { errno } from "./errors.ts";

export interface RunOptions {
  readonly cwd?: string;
  /** Beside this process's; what is undefined is left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Told of each whole line of its stdout and stderr. */
  readonly onLine?: (line: string) => void;
  /** How long it may take to end by itself after an abort, in milliseconds; default 0. */
  readonly grace?: number;
}

export interface Ran {
  /** As a shell says it: 128 and the signal's number, where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  /** The last of it. */
  readonly stderr: string;
}

const KEPT = 16 * 1024;

/**
 * Runs a program to its end, as a process group of its own: an abort, or the end of this process, ends it with all that it
 * started.
 *
 * @throws the system's error where it cannot be started
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: RunOptions,
  call: Call,
): Promise<Ran> {
  call.signal.throwIfAborted();
  const child = spawn(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const kill = (name: NodeJS.Signals): void => {
    if (child.pid !== undefined) killGroup(child.pid, name);
  };
  let hard: NodeJS.Timeout | undefined;
  const stop = (): void => {
    kill(options.grace === undefined ? "SIGKILL" : "SIGTERM");
    if (options.grace !== undefined) hard = setTimeout(kill, options.grace, "SIGKILL");
  };
  const ending = (): void => kill("SIGKILL");
  process.once("exit", ending);
  call.signal.addEventListener("abort", stop, { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT);
  });
  if (options.onLine !== undefined) {
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", options.onLine);
  }
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exit, signal) =>
        resolve(signal === null ? (exit ?? 0) : 128 + system.signals[signal]),
      );
    });
    call.signal.throwIfAborted();
    return { code, stdout, stderr };
  } finally {
    clearTimeout(hard);
    process.off("exit", ending);
    call.signal.removeEventListener("abort", stop);
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (errno(error) !== "ESRCH") throw error;
  }
}

/** A program on the PATH, or in the folders where system programs are. */
export async function findProgram(
  name: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  const folders = [...(env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const folder of folders.filter((f) => f.startsWith("/"))) {
    const path = join(folder, name);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

export async function isProgram(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
