import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { lock, quietCall } from "../../src/base/index.ts";

/** Where fetched programs are kept between runs: never committed. */
export const CACHE: string = join(import.meta.dirname, "../../.cache/peers");

/** A program of another project that our tests speak with. */
export interface Peer {
  readonly name: string;
  /** Part of the cache's folder name: another version is fetched again. */
  readonly version: string;
  /** Puts the program and what it needs into the empty folder `into`. */
  readonly fetch: (into: string) => Promise<void>;
  /** The program's path inside that folder. */
  readonly program: string;
}

/** The path of the peer's program; fetched once, however many test processes ask at the same time. */
export async function programOf(peer: Peer): Promise<string> {
  const home = join(CACHE, `${peer.name}-${peer.version}`);
  const there = (): Promise<boolean> =>
    stat(join(home, peer.program)).then(
      (s) => s.isFile(),
      () => false,
    );
  if (await there()) return join(home, peer.program);
  await mkdir(CACHE, { recursive: true });
  await using _held = await lock(join(CACHE, `${peer.name}.lock`), "exclusive", quietCall());
  if (await there()) return join(home, peer.program);
  const fresh = await mkdtemp(join(CACHE, `.${peer.name}-`));
  try {
    await peer.fetch(fresh);
    await rm(home, { recursive: true, force: true });
    await rename(fresh, home);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw new Error(`the peer ${peer.name} ${peer.version} could not be fetched`, { cause: error });
  }
  return join(home, peer.program);
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that are no error; default only 0. */
  readonly codes?: readonly number[];
}

/** Runs a program to its end. An exit code that was not expected is an error with what the program said. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  if (!(options.codes ?? [0]).includes(code)) {
    throw new Error(`${program} ${args.join(" ")} ended with ${code}\n${stderr}${stdout}`);
  }
  return { code, stdout, stderr };
}

/** Ends a server by TERM, and by KILL where that does not help. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), 5000);
  await gone;
  clearTimeout(kill);
}
