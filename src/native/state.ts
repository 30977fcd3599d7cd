import { lstat, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
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
    if (uid !== process.geteuid?.()) throw unknown(folder, "is another user's");
    found = JSON.parse(await readFile(folder.state, "utf8"));
    path = await realpath(folder.path);
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    if (error instanceof ClusterError) throw error;
    throw unknown(folder, `cannot be read: ${messageOf(error)}`, error);
  }
  if (!isState(found)) throw unknown(folder, "does not say what a cluster is");
  if (found.folder !== path) throw unknown(folder, `is a copy of ${join(found.folder, "cluster.json")}`);
  return found;
}

function unknown(folder: ClusterFolder, how: string, cause?: unknown): ClusterError {
  return new ClusterError("cluster-unknown", `${folder.state} ${how}`, {
    cause,
    hint: `if no cluster of it runs (pgrep -af ${folder.path}), remove ${folder.path}`,
  });
}

export async function writeState(folder: ClusterFolder, state: ClusterState): Promise<void> {
  await makeFolder(folder.path, 0o700);
  await replaceFile(folder.state, Buffer.from(`${JSON.stringify(state, null, 2)}\n`), 0o600);
}

/** Whether there is one of this name, however far it came. @throws ClusterError `name-invalid`, `cluster-unknown` */
export async function nativeHas(name: string, clusters?: string): Promise<boolean> {
  return (await readState(clusterFolder(name, clusters))) !== undefined;
}

/** Every native cluster of a folder, by name. @param damaged as of `listClusters` */
export async function listStates(
  clusters: string = clustersFolder(),
  damaged: (error: ClusterError) => void = () => {},
): Promise<readonly ClusterState[]> {
  return await listClusters(clusters, (name) => readState(clusterFolder(name, clusters)), damaged);
}
