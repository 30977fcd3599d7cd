import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { type Call, errno } from "../base/index.ts";

export interface RunOptions {
  readonly cwd?: string;
  /** Beside this process's. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Told of each whole line of its stdout and stderr. */
  readonly onLine?: (line: string) => void;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  /** The last of it. */
  readonly stderr: string;
}

const KEPT = 16 * 1024;

/** Runs a program to its end; an abort kills it, with its children. @throws the system's error where it cannot be started */
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
    // A group of its own: a compiler's children must end with it.
    detached: true,
  });
  const stop = (): void => {
    if (child.pid !== undefined) killGroup(child.pid);
  };
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
      child.once("close", (exit, signal) => resolve(signal === null ? (exit ?? 0) : 128));
    });
    call.signal.throwIfAborted();
    return { code, stdout, stderr };
  } finally {
    call.signal.removeEventListener("abort", stop);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
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
