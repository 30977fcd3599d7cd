import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, errno, exists, messageOf } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import type { ClusterState } from "./state-format.ts";

const ROOT = "/sys/fs/cgroup";

/** Which cluster it is: another user's may have its name, or one that is kept in another folder. */
type Which = Pick<ClusterState, "name" | "id">;

/** The cgroup below which a cluster's pods are, as the kubelet's `cgroupRoot` wants it. */
export function cgroupName({ name, id }: Which): string {
  return `/imgvol-${name}-${id.slice(0, 8)}`;
}

/** Version 2 beside version 1 is without controllers, and of no use to the kubelet; runc makes groups in it all the same. */
const BESIDE = "unified";

/** Where cgroups of that name are: in the one hierarchy of version 2, or in each of version 1. */
async function places(cluster: Which): Promise<readonly string[]> {
  if (await exists(join(ROOT, "cgroup.controllers"))) return [join(ROOT, cgroupName(cluster))];
  const found: string[] = [];
  for (const entry of await readdir(ROOT, { withFileTypes: true })) {
    // Links are second names.
    if (entry.isDirectory()) found.push(join(ROOT, entry.name, cgroupName(cluster)));
  }
  return found;
}

/** Makes the cgroup that the kubelet wants to find, in every hierarchy. */
export async function makeCgroups(cluster: Which): Promise<void> {
  const controllers = await readFile(join(ROOT, "cgroup.controllers"), "utf8").catch(() => undefined);
  if (controllers !== undefined) await passOn(controllers.split(/\s/));
  for (const place of await places(cluster)) {
    if (dirname(place) === join(ROOT, BESIDE)) continue;
    await mkdir(place).catch((error: unknown) => {
      if (errno(error) !== "EEXIST") throw error;
    });
    // In version 1 a new cpuset has no processor and no memory, and takes no process.
    for (const file of controllers === undefined ? ["cpuset.cpus", "cpuset.mems"] : []) {
      const above = await readFile(join(place, "..", file)).catch(() => undefined);
      if (above !== undefined) await writeFile(join(place, file), above);
    }
  }
}

/** Version 2 gives a group only the controllers that its parent passes on. With systemd, all that matter are passed on already. */
async function passOn(there: readonly string[]): Promise<void> {
  const file = join(ROOT, "cgroup.subtree_control");
  const passed = (await readFile(file, "utf8")).split(/\s/);
  const wanted = ["cpuset", "cpu", "io", "memory", "pids"].filter(
    (c) => there.includes(c) && !passed.includes(c),
  );
  if (wanted.length === 0) return;
  try {
    await writeFile(file, wanted.map((c) => `+${c}`).join(" "));
  } catch (error) {
    throw new ClusterError(
      "cluster-failed",
      `the cgroup ${ROOT} does not pass on ${wanted.join(", ")}: ${messageOf(error)}`,
      {
        cause: error,
        hint: "in a container: start it with --privileged --cgroupns=host, or move its processes to a cgroup below the first",
      },
    );
  }
}

/** Removes it with all that is below it. What is in use is waited for: its processes were killed just now. */
export async function removeCgroups(cluster: Which, call: Call): Promise<void> {
  for (let wait = 10; ; wait *= 2) {
    const left: string[] = [];
    for (const place of await places(cluster)) if (!(await removeGroup(place))) left.push(place);
    if (left.length === 0) return;
    if (wait > 5000) {
      throw new ClusterError(
        "cluster-stuck",
        `cannot remove the cgroup ${left[0]}: a process is still in it`,
        { hint: "end those that its cgroup.procs names, then imgvol cluster down again" },
      );
    }
    await sleep(wait, undefined, { signal: call.signal });
  }
}

/** Cgroups go by rmdir, the deepest first. */
async function removeGroup(path: string): Promise<boolean> {
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory() && !(await removeGroup(join(path, entry.name)))) return false;
    }
    await rmdir(path);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT") return true;
    if (errno(error) === "EBUSY" || errno(error) === "ENOTEMPTY") return false;
    throw error;
  }
}
