import { lstat, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { errno, makeFolder, messageOf, replaceFile } from "../base/index.ts";
import { ClusterError, folderOf, listClusters, stateFolder } from "../cluster/index.ts";
import { type ClusterState, isState } from "./state-format.ts";

/** Where native clusters are kept: `~/.local/state/imgvol/clusters`, as a rule. */
export function clustersFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(stateFolder(env), "clusters");
}

/** What is where in a cluster's folder. */
export interface ClusterFolder {
  readonly path: string;
  readonly state: string;
  readonly kubeconfig: string;
  readonly pki: string;
  readonly logs: string;
  /** Those of the last one of this name that did not come up. */
  readonly lastLogs: string;
  /** Written when all is up. */
  readonly ready: string;
  /** What the registry keeps. */
  readonly registry: string;
}

/** @throws ClusterError `name-invalid` */
export function clusterFolder(name: string, clusters: string = clustersFolder()): ClusterFolder {
  const path = folderOf(name, clusters);
  return {
    path,
    state: join(path, "cluster.json"),
    kubeconfig: join(path, "kubeconfig"),
    pki: join(path, "pki"),
    logs: join(path, "log"),
    lastLogs: `${path}.log`,
    ready: join(path, "ready"),
    registry: join(path, "registry"),
  };
}

/**
 * The state of a cluster that is up, or half up or down; undefined where there is none.
 *
 * @throws ClusterError `cluster-unknown` for one that is damaged, another's, or a copy: what it names is not this cluster's
 */
export async function readState(folder: ClusterFolder): Promise<ClusterState | undefined> {
  let found: unknown;
  let path: string;
  try {
    // Root follows nobody's links, and does not do what another user's file says.
    const { uid } = await lstat(folder.path);
    if (uid !== process.geteuid?.()) throw othersState(folder, "is another user's", uid);
    found = JSON.parse(await readFile(folder.state, "utf8"));
    path = await realpath(folder.path);
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    if (error instanceof ClusterError) throw error;
    if (errno(error) === "EACCES") throw othersState(folder, "may not be read", 0, error);
    throw damaged(folder, `cannot be read: ${messageOf(error)}`, error);
  }
  if (!isState(found)) throw damaged(folder, "does not say what a cluster is");
  if (found.folder !== path) {
    const there = join(found.folder, basename(folder.state));
    throw new ClusterError("cluster-unknown", `${folder.state} is a copy of ${there}`, {
      hint: `if no cluster of it runs (pgrep -af ${folder.path}), remove ${folder.path}`,
    });
  }
  return found;
}

/** A state of this user's that says nothing. What there is of the cluster may still be recognised by other signs. */
export class DamagedState extends ClusterError {}

function damaged({ path, state }: ClusterFolder, how: string, cause?: unknown): DamagedState {
  return new DamagedState("cluster-unknown", `${state} ${how}`, {
    cause,
    hint: `imgvol cluster down --name ${basename(path)} ends what runs of it, and removes ${path}`,
  });
}

function othersState({ state }: ClusterFolder, how: string, uid: number, cause?: unknown): ClusterError {
  const owner = uid === 0 ? "root" : `the user ${uid}`;
  return new ClusterError("cluster-unknown", `${state} ${how}`, {
    cause,
    hint: `it belongs to ${owner}: run this as ${owner}, or take another --name`,
  });
}

export async function writeState(folder: ClusterFolder, state: ClusterState): Promise<void> {
  await makeFolder(folder.path, 0o700);
  await replaceFile(folder.state, Buffer.from(`${JSON.stringify(state, null, 2)}\n`), 0o600);
}

/** Whether there is one of this name, however far it came. @throws ClusterError `name-invalid`, `cluster-unknown` */
export async function nativeHas(name: string, clusters?: string): Promise<boolean> {
  try {
    return (await readState(clusterFolder(name, clusters))) !== undefined;
  } catch (error) {
    if (error instanceof DamagedState) return true;
    throw error;
  }
}

/** Every native cluster of a folder, by name. @param damaged as of `listClusters` */
export async function listStates(
  clusters: string = clustersFolder(),
  damaged: (error: ClusterError) => void = () => {},
): Promise<readonly ClusterState[]> {
  return await listClusters(clusters, (name) => readState(clusterFolder(name, clusters)), damaged);
}
