import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { end } from "./program.ts";

/** A registry that runs; dispose ends it and removes what it kept. */
export interface RunningRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, plain HTTP. */
  readonly host: string;
  readonly pid: number;
}

export interface ServerOptions {
  readonly cwd?: string;
  /** Runs after the server has ended, also where it never listened. */
  readonly cleanUp?: () => Promise<void>;
}

/**
 * Starts a server that was told to listen on port 0 of 127.0.0.1. Not every server says which port it was given, so
 * the kernel is asked: no port is guessed, and none can be taken by another in between.
 */
export async function startServer(
  program: string,
  args: readonly string[],
  options: ServerOptions = {},
): Promise<RunningRegistry> {
  const child = spawn(program, args, { cwd: options.cwd, stdio: ["ignore", "ignore", "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  // A test that dies before its hooks run leaves no server behind.
  process.once("exit", kill);
  const dispose = async (): Promise<void> => {
    await end(child);
    process.removeListener("exit", kill);
    await options.cleanUp?.();
  };
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-4000);
  });
  child.on("error", (error) => {
    said += String(error);
  });
  try {
    const port = await portOf(child, performance.now() + 30_000);
    if (port === undefined) {
      const ended = child.exitCode ?? child.signalCode;
      const how = ended === null ? "does not listen after 30 s" : `ended with ${ended}`;
      throw new Error(`${program} ${how}\n${said}`);
    }
    return { host: `127.0.0.1:${port}`, pid: child.pid ?? 0, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function portOf(child: ChildProcess, until: number): Promise<number | undefined> {
  while (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const port = await listeningPort(child.pid);
    if (port !== undefined) return port;
    if (performance.now() > until) return undefined;
    await sleep(20);
  }
  return undefined;
}

/** The TCP port on which a process listens (proc_pid_net(5): the state LISTEN is 0A, the tenth field the inode). */
async function listeningPort(pid: number): Promise<number | undefined> {
  const folder = `/proc/${pid}/fd`;
  const sockets = new Set<string>();
  for (const fd of await readdir(folder).catch(() => [])) {
    sockets.add(await readlink(`${folder}/${fd}`).catch(() => ""));
  }
  for (const table of ["tcp", "tcp6"]) {
    const lines = (await readFile(`/proc/${pid}/net/${table}`, "utf8").catch(() => "")).split("\n");
    for (const line of lines.slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] !== "0A" || !sockets.has(`socket:[${fields[9]}]`)) continue;
      return Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
    }
  }
  return undefined;
}
