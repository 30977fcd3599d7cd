import { rename } from "node:fs/promises";
import { resolve } from "node:path";
import { type Call, errno, isAbort, makeFolder, messageOf, quietCall, removeTree } from "../base/index.ts";
import { type Binaries, findBinaries } from "../binaries/index.ts";
import { ClusterError, lockClusters, type Published, tellOthers } from "../cluster/index.ts";
import { addressesOf } from "./addresses.ts";
import { makeCgroups } from "./cgroups.ts";
import { removeCluster, removeRemains } from "./down.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { checkMachine } from "./machine.ts";
import { enlist, lockMachine, machineStates, strike } from "./machine-clusters.ts";
import { makeMountPoints } from "./mount-points.ts";
import type { NativeOptions } from "./options.ts";
import { writePki } from "./pki.ts";
import { plan } from "./plan.ts";
import { processesOf } from "./processes.ts";
import { startKeeper } from "./start-keeper.ts";
import { type ClusterFolder, clusterFolder, clustersFolder, readState, writeState } from "./state.ts";
import type { ClusterState } from "./state-format.ts";

/** A native cluster that is up. */
export interface NativeCluster {
  readonly name: string;
  readonly kubernetes: string;
  readonly containerd: string;
  /** The file for `KUBECONFIG`. */
  readonly kubeconfig: string;
  /** The program that goes with it. */
  readonly kubectl: string;
  /** `localhost:PORT`: the same on this machine and on the node. */
  readonly registry: string;
  /** The node's address, by which this machine reaches NodePorts. */
  readonly node: string;
  readonly ports: readonly Published[];
  /** The programs' logs. */
  readonly logs: string;
}

/**
 * Starts a Kubernetes of one node on this machine, in namespaces of its own.
 *
 * @throws ClusterError `not-supported`, `not-root`, `program-missing`, `build-failed`, `cluster-up`, `cluster-unknown`,
 *   `file-unreadable`, `path-hidden`, `cluster-failed`; BaseError `port-in-use`. Nothing of it is left then.
 */
export async function nativeUp(options: NativeOptions, call: Call): Promise<NativeCluster> {
  const name = options.name ?? "imgvol";
  const clusters = resolve(options.clusters ?? clustersFolder());
  const folder = clusterFolder(name, clusters);
  await checkMachine();
  await refuseThere(folder);
  tellOthers(options.publish ?? [], call);
  const binaries = await findBinaries(options, call);
  await using _held = await lockClusters(clusters, call);
  await refuseThere(folder);
  // Without a state nothing runs that is of it: what is there is what somebody left half removed.
  await removeRemains(folder);
  const state = await claim(name, folder, clusters, binaries, options, call);
  return await start(folder, state, clusters, call);
}

/** Decides what the cluster is going to be, and writes it down: from then on nobody else takes its network or its ports. */
async function claim(
  name: string,
  folder: ClusterFolder,
  clusters: string,
  binaries: Binaries,
  options: NativeOptions,
  call: Call,
): Promise<ClusterState> {
  await using _held = await lockMachine(call);
  const state = await plan(name, clusters, await machineStates(clusters), binaries, options);
  try {
    await writeState(folder, state);
    await enlist(state);
  } catch (error) {
    await removeTree(folder.path);
    await strike(state);
    throw error;
  }
  return state;
}

async function start(
  folder: ClusterFolder,
  state: ClusterState,
  clusters: string,
  call: Call,
): Promise<NativeCluster> {
  try {
    await prepare(folder, state, call);
    await startKeeper(folder, state, clusters, call);
    await removeTree(folder.lastLogs);
  } catch (error) {
    // Who stopped it knows why it did not come up.
    if (!isAbort(error)) await keepLogs(folder).catch(() => {});
    await removeCluster(folder, state, clusters, quietCall()).catch((left: unknown) =>
      call.progress?.say(`${messageOf(left)}: imgvol cluster down --name ${state.name} takes the rest away`),
    );
    throw error;
  }
  return clusterOf(folder, state);
}

async function refuseThere(folder: ClusterFolder): Promise<void> {
  const state = await readState(folder);
  if (state === undefined) return;
  const over = (await processesOf(state.id)).length === 0;
  throw new ClusterError(
    "cluster-up",
    `there is a cluster ${state.name} already${over ? ", and it is over" : ""}`,
    {
      hint: over
        ? `imgvol cluster down --name ${state.name}`
        : `export KUBECONFIG=${folder.kubeconfig}, or imgvol cluster down --name ${state.name}`,
    },
  );
}

export function clusterOf(folder: ClusterFolder, state: ClusterState): NativeCluster {
  const registry = state.ports.find((port) => port.what === "registry")?.host ?? 0;
  return {
    name: state.name,
    kubernetes: state.kubernetes,
    containerd: state.containerd,
    kubeconfig: folder.kubeconfig,
    kubectl: state.programs["kubectl"] ?? "kubectl",
    registry: `localhost:${registry}`,
    node: addressesOf(state.network).node,
    ports: state.ports,
    logs: folder.logs,
  };
}

/** What the programs said is all that can tell why a cluster did not come up. */
async function keepLogs({ logs, lastLogs }: ClusterFolder): Promise<void> {
  await removeTree(lastLogs);
  await rename(logs, lastLogs).catch((error: unknown) => {
    if (errno(error) !== "ENOENT") throw error;
  });
}

async function prepare(folder: ClusterFolder, state: ClusterState, call: Call): Promise<void> {
  call.signal.throwIfAborted();
  for (const path of [folder.logs, folder.registry]) await makeFolder(path, 0o700);
  await makeMountPoints(state.folders);
  await makeCgroups(state);
  await writePki(folder.pki, addressesOf(state.network), new Date());
  const api = state.ports.find((p) => p.what === "api")?.host ?? 0;
  const server = `https://127.0.0.1:${api}`;
  await writeKubeconfig(folder.kubeconfig, { name: state.name, pki: folder.pki, user: "admin", server });
}
