import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errno, makeFolder, messageOf, replaceFile } from "../base/index.ts";
import { ClusterError } from "./errors.ts";
import { type ClusterState, isState } from "./state-format.ts";

export type { ClusterState, Published } from "./state-format.ts";

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

const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** @throws ClusterError `name-invalid` */
export function clusterFolder(name: string, clusters: string = clustersFolder()): ClusterFolder {
  if (!isName(name)) {
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

/**
 * Every cluster that has a state, by name. One damaged file is not in the way of the others.
 *
 * @param damaged is told of each that cannot be read
 */
export async function listStates(
  clusters: string = clustersFolder(),
  damaged: (error: ClusterError) => void = () => {},
): Promise<readonly ClusterState[]> {
  const names = await readdir(clusters).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
  const found: ClusterState[] = [];
  for (const name of names.sort()) {
    if (!isName(name)) continue;
    const state = await readState(clusterFolder(name, clusters)).catch((error: unknown) => {
      if (!(error instanceof ClusterError)) throw error;
      damaged(error);
      return undefined;
    });
    if (state !== undefined) found.push(state);
  }
  return found;
}
