import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errno, makeFolder, replaceFile } from "../base/index.ts";
import { ClusterError } from "./errors.ts";

/** A port of this machine, on loopback, that leads to one of the cluster's node. */
export interface Published {
  readonly host: number;
  readonly node: number;
  readonly what: "api" | "registry" | "published";
}

/**
 * What there is of a native cluster, written down before anything of it is made, so that `down` can take it away however `up`
 * ended.
 */
export interface ClusterState {
  readonly name: string;
  /** Stands in the environment of every process of the cluster's. */
  readonly id: string;
  readonly kubernetes: string;
  readonly containerd: string;
  readonly created: string;
  /** The third byte of the node's network, 10.240.N.0/24. */
  readonly network: number;
  readonly ports: readonly Published[];
  /** Emulates Kubernetes 1.34, whose gate ImageVolume is off. */
  readonly gateOff: boolean;
  /** Programs by name, and the folder of the CNI plugins. */
  readonly programs: Readonly<Record<string, string>>;
  readonly cni: string;
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string;
  /** Settings of the machine that the kubelet changes, as they were. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Empty folders that were made on the machine, for what is mounted over them. */
  readonly folders: readonly string[];
}

/** Where clusters are kept: `$XDG_STATE_HOME/imgvol/clusters`, else `~/.local/state/imgvol/clusters`. */
export function clustersFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const xdg = env["XDG_STATE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  const base = xdg?.startsWith("/") === true ? xdg : join(env["HOME"] || homedir(), ".local", "state");
  return join(base, "imgvol", "clusters");
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
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new ClusterError("name-invalid", `not a cluster's name: ${JSON.stringify(name.slice(0, 100))}`, {
      hint: "up to 32 small letters, digits and -",
      wrongUse: true,
    });
  }
  const path = join(clusters, name);
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

/** The state of a cluster that is up, or half up or down; undefined where there is none. */
export async function readState(folder: ClusterFolder): Promise<ClusterState | undefined> {
  try {
    return JSON.parse(await readFile(folder.state, "utf8"));
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw new ClusterError("cluster-unknown", `${folder.state} cannot be read`, { cause: error });
  }
}

export async function writeState(folder: ClusterFolder, state: ClusterState): Promise<void> {
  await makeFolder(folder.path, 0o700);
  await replaceFile(folder.state, Buffer.from(`${JSON.stringify(state, null, 2)}\n`), 0o600);
}

/** Every cluster that has a state, by name. */
export async function listStates(clusters: string = clustersFolder()): Promise<readonly ClusterState[]> {
  const names = await readdir(clusters).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
  const found: ClusterState[] = [];
  for (const name of names.sort()) {
    if (!/^[a-z0-9-]+$/.test(name)) continue;
    const state = await readState(clusterFolder(name, clusters));
    if (state !== undefined) found.push(state);
  }
  return found;
}
