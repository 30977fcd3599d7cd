import { spawnSync } from "node:child_process";
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Call, errno, exists, makeFolder, removeTree } from "../base/index.ts";
import { ClusterError, type ClusterOptions, lockClusters } from "../cluster/index.ts";
import { linkNames } from "./addresses.ts";
import { removeCgroups } from "./cgroups.ts";
import { leaveMachine, listedId, lockMachine } from "./machine-clusters.ts";
import { killAll } from "./processes.ts";
import { type ClusterFolder, clusterFolder, clustersFolder, DamagedState, readState } from "./state.ts";
import type { ClusterState } from "./state-format.ts";

/**
 * Ends a cluster, however far it came, and takes away all that it made on this machine: where its state was damaged or deleted,
 * what the machine's list and the processes' mark still say of it.
 *
 * @returns whether there was one
 * @throws ClusterError `cluster-stuck`, `cluster-unknown`
 */
export async function nativeDown(options: ClusterOptions, call: Call): Promise<boolean> {
  const clusters = resolve(options.clusters ?? clustersFolder());
  const name = options.name ?? "imgvol";
  const folder = clusterFolder(name, clusters);
  // What somebody left of an up that was killed has no state, nor have the logs of one that failed.
  const left = (await exists(folder.path)) || (await exists(folder.lastLogs));
  if (!left && (await listedId(await realPath(folder))) === undefined) return false;
  await makeFolder(clusters, 0o700);
  await using _held = await lockClusters(clusters, call);
  const state = await undamaged(folder);
  const id = state?.id ?? (await listedId(await realPath(folder)));
  if (id !== undefined) await endCluster({ name, id }, clusters, call);
  if (state !== undefined) await removeFolder(folder);
  else if (await exists(folder.path)) {
    await removeRemains(folder);
    call.progress?.say(`removed ${folder.path}: what was left of a cluster`);
  }
  if (await exists(folder.lastLogs)) {
    await removeTree(folder.lastLogs);
    call.progress?.say(`removed ${folder.lastLogs}: the logs of a cluster`);
  }
  return id !== undefined;
}

/** The state of a cluster, where there is one that says something. */
async function undamaged(folder: ClusterFolder): Promise<ClusterState | undefined> {
  return await readState(folder).catch((error: unknown) => {
    if (error instanceof DamagedState) return undefined;
    throw error;
  });
}

/** The folder as a cluster has it on the machine's list, whether it is there or not. */
async function realPath({ path }: ClusterFolder): Promise<string> {
  return join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path));
}

/** While the lock on the folder's clusters is held. Its state goes last: what fails in between can be done again. */
export async function removeCluster(
  folder: ClusterFolder,
  state: ClusterState,
  clusters: string,
  call: Call,
): Promise<void> {
  await endCluster(state, clusters, call);
  await removeFolder(folder);
}

/** All of a cluster that is not in its folder: name and id are enough to recognise it. */
async function endCluster(
  cluster: Pick<ClusterState, "id" | "name">,
  clusters: string,
  call: Call,
): Promise<void> {
  await killAll(cluster.id, call);
  // The link goes with the node's namespace, but a little later than that one's processes.
  spawnSync("ip", ["link", "delete", linkNames(cluster).host], { stdio: "ignore" });
  await removeCgroups(cluster, call);
  await using _held = await lockMachine(call);
  await leaveMachine(cluster, clusters);
}

/**
 * Removes a cluster's folder, what says what there is of it last: whoever is stopped in between leaves what `status` shows, and
 * `down` takes away.
 */
async function removeFolder({ path, state }: ClusterFolder): Promise<void> {
  await refuseMounts(path);
  for (const name of await namesIn(path)) {
    if (join(path, name) !== state) await removeTree(join(path, name));
  }
  await removeTree(path);
}

/**
 * Removes what somebody left of a cluster whose state is gone already: nothing runs that is of it.
 * @throws ClusterError `cluster-unknown` where there is something that no cluster has
 */
export async function removeRemains(folder: ClusterFolder): Promise<void> {
  const ours = new Set([
    basename(folder.state),
    ".kube",
    "kubeconfig",
    "kubectl-cache",
    "log",
    "node",
    "pki",
    "ready",
    "registry",
  ]);
  const unfinished = `${basename(folder.state)}.`;
  const isOurs = (name: string): boolean =>
    ours.has(name) || (name.startsWith(unfinished) && name.endsWith(".tmp"));
  const foreign = (await namesIn(folder.path)).find((name) => !isOurs(name));
  if (foreign !== undefined) {
    throw new ClusterError("cluster-unknown", `${folder.path} is no cluster's, and has ${foreign} in it`, {
      hint: "take another --name, or move it away",
    });
  }
  await removeFolder(folder);
}

async function namesIn(path: string): Promise<string[]> {
  return await readdir(path).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
}

/** The node's mounts are in its own namespace. Should one be seen here, then what it shows must not be deleted. */
async function refuseMounts(path: string): Promise<void> {
  const real = await realpath(path).catch(() => path);
  for (const line of (await readFile("/proc/self/mountinfo", "utf8")).split("\n")) {
    // proc(5): space, tab, newline and backslash are written in octal.
    const at = (line.split(" ")[4] ?? "").replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (!at.startsWith(`${real}/`)) continue;
    throw new ClusterError("cluster-stuck", `something is mounted at ${at}`, {
      hint: "unmount it, then imgvol cluster down again",
    });
  }
}
