import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, errno } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";

/** How long killed processes may take to end, in milliseconds. */
const PATIENCE = 20_000;

/** The variable that every process of a cluster's carries, with the cluster's id. */
export const MARK = "IMGVOL_CLUSTER";

/** The processes of a cluster that this machine sees; those of containers end with the first process of their namespace. */
export async function processesOf(id: string): Promise<readonly number[]> {
  const mark = Buffer.from(`${MARK}=${id}\0`);
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may be gone by now, or not be ours to look into.
    const environment = await readFile(`/proc/${name}/environ`).catch(() => undefined);
    if (environment?.includes(mark) === true) found.push(Number(name));
  }
  return found;
}

/**
 * Kills all of a cluster's processes, and returns when none is left. Found by their mark, not by a number that was written down:
 * such a number may be another process's by now.
 *
 * @throws ClusterError `cluster-stuck`
 */
export async function killAll(id: string, call: Call): Promise<void> {
  const killed = new Set<number>();
  const began = performance.now();
  for (let wait = 5; ; wait = Math.min(wait * 2, 500)) {
    const found = await processesOf(id);
    for (const pid of found) {
      kill(pid);
      killed.add(pid);
    }
    for (const pid of killed) if (!(await isAlive(pid))) killed.delete(pid);
    // Looked at one after another: one that was found may have started another where this look had been already.
    if (found.length === 0 && killed.size === 0) return;
    if (performance.now() - began > PATIENCE) {
      throw new ClusterError(
        "cluster-stuck",
        `processes of the cluster do not end: ${[...killed].join(", ")}`,
        { hint: "see what they wait for (ps -o pid,stat,wchan,args), then imgvol cluster down again" },
      );
    }
    if (killed.size > 0) await sleep(wait, undefined, { signal: call.signal });
  }
}

/** A process on its way out has no environment any more, but is still there. One that nobody has waited for is over. */
async function isAlive(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const state = text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
  return state !== "" && state !== "Z" && state !== "X";
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errno(error) !== "ESRCH") throw error;
  }
}
