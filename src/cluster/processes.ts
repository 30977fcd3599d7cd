import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, errno } from "../base/index.ts";
import { ClusterError } from "./errors.ts";

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
  for (let wait = 5; ; wait *= 2) {
    const left = await processesOf(id);
    if (left.length === 0) return;
    if (wait > 10_000) {
      throw new ClusterError("cluster-stuck", `processes of the cluster do not end: ${left.join(", ")}`);
    }
    for (const pid of left) kill(pid);
    await sleep(wait, undefined, { signal: call.signal });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errno(error) !== "ESRCH") throw error;
  }
}
