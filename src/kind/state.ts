import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { errno, makeFolder, replaceFile } from "../base/index.ts";
import { ClusterError, folderOf, listClusters, stateFolder } from "../cluster/index.ts";
import { isEngine } from "./engine.ts";
import type { KindSpec } from "./files.ts";

/** What there is of a cluster of kind's, written down before anything of it is made: what is not here, is not ours to delete. */
export interface KindState {
  readonly spec: KindSpec;
  readonly created: string;
  /** Whether it ever came up; otherwise an `up` was killed. */
  readonly whole: boolean;
  /** Of the node image; known once it runs. */
  readonly containerd?: string;
  /** Of the dashboard's page. */
  readonly token?: string;
}

export interface KindFolder {
  readonly path: string;
  readonly state: string;
  readonly kubeconfig: string;
}

/** Where clusters of kind's are kept: beside the native ones. */
export function kindClustersFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(stateFolder(env), "kind");
}

/** @throws ClusterError `name-invalid` */
export function kindFolder(name: string, clusters: string = kindClustersFolder()): KindFolder {
  const path = folderOf(name, clusters);
  return { path, state: join(path, "kind.json"), kubeconfig: join(path, "kubeconfig") };
}

/** @throws ClusterError `cluster-unknown` */
export async function readKindState(folder: KindFolder): Promise<KindState | undefined> {
  let state: unknown;
  try {
    state = JSON.parse(await readFile(folder.state, "utf8"));
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw unknown(folder, "cannot be read", error);
  }
  if (!isKindState(state, basename(folder.path))) throw unknown(folder, "does not say what this cluster is");
  return state;
}

/** The engine is a program that is started, and the name is what is deleted: neither is believed of any file. */
function isKindState(value: unknown, name: string): value is KindState {
  if (typeof value !== "object" || value === null || !("spec" in value) || !("whole" in value)) return false;
  const { spec, whole } = value as { readonly spec: Partial<KindSpec> | null; readonly whole: unknown };
  return (
    typeof whole === "boolean" &&
    spec?.name === name &&
    isEngine(spec.engine ?? "") &&
    Array.isArray(spec.publish)
  );
}

function unknown({ path, state }: KindFolder, how: string, cause?: unknown): ClusterError {
  const hint = `see what of it is there (kind get clusters), then remove ${path}`;
  return new ClusterError("cluster-unknown", `${state} ${how}`, { cause, hint });
}

export async function writeKindState(folder: KindFolder, state: KindState): Promise<void> {
  await makeFolder(folder.path, 0o700);
  await replaceFile(folder.state, Buffer.from(`${JSON.stringify(state, null, 2)}\n`), 0o600);
}

/** Whether imgvol made one of this name, however far it came. @throws ClusterError `name-invalid`, `cluster-unknown` */
export async function kindHas(name: string, clusters?: string): Promise<boolean> {
  return (await readKindState(kindFolder(name, clusters))) !== undefined;
}

/** Every cluster of kind's that imgvol made, by name. @param damaged as of `listClusters` */
export async function listKindStates(
  clusters: string = kindClustersFolder(),
  damaged: (error: ClusterError) => void = () => {},
): Promise<readonly KindState[]> {
  return await listClusters(clusters, (name) => readKindState(kindFolder(name, clusters)), damaged);
}
