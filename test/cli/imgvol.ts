import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface How {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts `imgvol` from its source, as a process of its own. */
export function start(args: readonly string[], how: How = {}): ChildProcess {
  return spawn(process.execPath, [main, ...args], {
    // Not what this machine has in its certs.d.
    env: { ...process.env, NO_COLOR: "1", IMGVOL_HOSTS_DIR: "", ...how.env },
    cwd: how.cwd,
    stdio: "pipe",
  });
}

/** Runs `imgvol` to its end. */
export async function imgvol(args: readonly string[], how: How = {}): Promise<Ran> {
  return ended(start(args, how), how.input);
}

/** What a started process said, once it has ended. */
export async function ended(child: ChildProcess, input: string | Uint8Array = ""): Promise<Ran> {
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  // A program that does not read its input may close it first.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const [code] = await once(child, "close");
  return { code, ...said };
}
