import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { type Call, errno } from "../base/index.ts";
import type { Command, Exit, Output } from "./view.ts";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

/** What the terminal itself sends to every process in its foreground, so that the command has it already. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT", "SIGWINCH"]);

/** How long a command may take to end after TERM, in milliseconds. */
const GRACE = 10_000;

/** What a child process is started with; `report` receives what it writes to descriptor 2, if its stderr moved to 3. */
export interface Start {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly report?: (chunk: Uint8Array) => void;
}

/**
 * Runs a child to its end, its streams as `command` wants them. An aborted call ends it, and then throws the abort's reason.
 * @throws the system error where the program could not be started
 */
export async function runChild(start: Start, command: Command, call: Call): Promise<Exit> {
  call.signal.throwIfAborted();
  const stderr = command.stderr ?? "inherit";
  // To Node.js, `ignore` means /dev/null for the first three descriptors, and none at all for others.
  const nowhere = start.report !== undefined && stderr === "ignore" ? openSync("/dev/null", "w") : undefined;
  const child = spawn(start.file, start.args, {
    env: { ...start.env },
    ...(start.cwd === undefined ? {} : { cwd: start.cwd }),
    stdio: [
      command.stdin ?? "inherit",
      asStdio(command.stdout ?? "inherit"),
      start.report === undefined ? asStdio(stderr) : "pipe",
      ...(start.report === undefined ? [] : [nowhere ?? (stderr === "inherit" ? 2 : asStdio(stderr))]),
    ],
  });
  if (nowhere !== undefined) closeSync(nowhere);
  listen(child.stdio[1], command.stdout);
  listen(child.stdio[2], start.report ?? command.stderr);
  if (start.report !== undefined) listen(child.stdio[3], command.stderr);
  using _stopping = stopOnAbort(child, call.signal);
  using _forwarding = forward(child, command.forwardSignals ?? false);
  const exit = await ended(child, command);
  call.signal.throwIfAborted();
  return exit;
}

function asStdio(output: Output): "inherit" | "ignore" | "pipe" | number {
  return typeof output === "function" ? "pipe" : output;
}

function listen(stream: unknown, output: Output | undefined): void {
  if (typeof output !== "function" || typeof stream !== "object" || stream === null) return;
  if ("on" in stream && typeof stream.on === "function") stream.on("data", output);
}

function ended(child: ChildProcess, command: Command): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      if (child.pid !== undefined) command.onStart?.(child.pid);
    });
    // `close`, not `exit`: what the command wrote last must have been read. But a grandchild may hold a pipe open for long.
    let late: NodeJS.Timeout | undefined;
    const done = (code: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(late);
      resolve(signal === null ? { code: code ?? 0 } : { code: 128 + constants.signals[signal], signal });
    };
    child.once("exit", (code, signal) => {
      late = setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
        done(code, signal);
      }, 1000);
    });
    child.once("close", done);
  });
}

function stopOnAbort(child: ChildProcess, signal: AbortSignal): Disposable {
  let hard: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    hard = setTimeout(() => child.kill("SIGKILL"), GRACE);
  };
  signal.addEventListener("abort", stop, { once: true });
  return {
    [Symbol.dispose]() {
      signal.removeEventListener("abort", stop);
      clearTimeout(hard);
    },
  };
}

function forward(child: ChildProcess, wanted: boolean): Disposable {
  if (!wanted) return { [Symbol.dispose]() {} };
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const pass = (name: NodeJS.Signals): void => {
    if (!(terminal && FROM_TERMINAL.has(name))) child.kill(name);
  };
  for (const name of FORWARDED) process.on(name, pass);
  return {
    [Symbol.dispose]() {
      for (const name of FORWARDED) process.off(name, pass);
    },
  };
}

/** The exit that a shell gives where a program cannot be started, or undefined for any other error. */
export function exitOfMissing(error: unknown): Exit | undefined {
  const code = errno(error);
  if (code === "ENOENT" || code === "ENOTDIR") return { code: 127 };
  if (code === "EACCES" || code === "EPERM" || code === "ENOEXEC") return { code: 126 };
  return undefined;
}
