import { rename } from "node:fs/promises";
import { resolve } from "node:path";
import { type Call, errno, isAbort, makeFolder, messageOf, quietCall, removeTree } from "../base/index.ts";
import { type Binaries, findBinaries } from "../binaries/index.ts";
import { lockClusters, tellOthers } from "../cluster/index.ts";
import { openHtpasswd } from "../serve/index.ts";
import { addressesOf } from "./addresses.ts";
import { alreadyUp, refusal } from "./already-up.ts";
import { makeCgroups } from "./cgroups.ts";
import { checkPath } from "./check-path.ts";
import { removeCluster, removeRemains } from "./down.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { checkMachine } from "./machine.ts";
import { enlist, leaveMachine, lockMachine, machineStates } from "./machine-clusters.ts";
import { keepSettings } from "./machine-settings.ts";
import { makeMountPoints } from "./mount-points.ts";
import { clusterOf, type NativeCluster } from "./native-cluster.ts";
import type { NativeOptions } from "./options.ts";
import { writePki } from "./pki.ts";
import { plan } from "./plan.ts";
import { startKeeper } from "./start-keeper.ts";
import { type ClusterFolder, clusterFolder, clustersFolder, writeState } from "./state.ts";
import { type ClusterState, portOf } from "./state-format.ts";

/**
 * Starts a Kubernetes of one node on this machine, in namespaces of its own. Where one of the name is up that is what is asked
 * for, it answers as the `up` did that made it.
 *
 * @throws ClusterError `not-supported`, `not-root`, `program-missing`, `build-failed`, `cluster-up`, `cluster-unknown`,
 *   `path-hidden`, `path-unusable`, `cluster-failed`; BaseError `port-in-use`; RegistryError `htpasswd-unreadable`,
 *   `htpasswd-invalid`. Nothing of it is left then.
 */
export async function nativeUp(options: NativeOptions, call: Call): Promise<NativeCluster> {
  const name = options.name ?? "imgvol";
  const clusters = resolve(options.clusters ?? clustersFolder());
  const folder = clusterFolder(name, clusters);
  await checkMachine("with a container engine: imgvol cluster up --provider kind");
  const before = await alreadyUp(folder, options, call);
  if (before !== undefined && before !== "half") return clusterOf(folder, before);
  checkPath(folder.path);
  tellOthers(options.publish ?? [], call);
  if (options.htpasswd !== undefined)
    await openHtpasswd(options.htpasswd, (text) => call.progress?.say(text));
  const binaries = await findBinaries(options, call);
  await using _held = await lockClusters(clusters, call);
  // Who was on the way to it has come to an end by now.
  const meanwhile = await alreadyUp(folder, options, call);
  if (meanwhile === "half") throw refusal(name, "and an up that was killed left it half made");
  if (meanwhile !== undefined) return clusterOf(folder, meanwhile);
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
    await keepSettings();
    await writeState(folder, state);
    await enlist(state);
  } catch (error) {
    await removeTree(folder.path);
    await leaveMachine(state, clusters);
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
  await makeMountPoints();
  await makeCgroups(state);
  await writePki(folder.pki, addressesOf(state.network), new Date());
  const server = `https://127.0.0.1:${portOf(state, "api").host}`;
  await writeKubeconfig(folder.kubeconfig, { name: state.name, pki: folder.pki, user: "admin", server });
}
