import { type Call, exists } from "../base/index.ts";
import { type Condition, type StatusOptions, saidTo } from "../cluster/index.ts";
import { isReady, openApi } from "./api.ts";
import { NODE } from "./pki.ts";
import { processesOf } from "./processes.ts";
import { clusterFolder, clustersFolder, listStates, readState } from "./state.ts";
import type { ClusterState } from "./state-format.ts";
import { clusterOf, type NativeCluster } from "./up.ts";

export interface NativeStatus extends NativeCluster {
  readonly created: string;
  /** `over`: its processes ended. */
  readonly state: Condition;
}

/**
 * Every native cluster of this user's, or the one that is asked for, and how it is.
 *
 * @throws ClusterError `name-invalid`; `cluster-unknown` where the state of the one that is asked for cannot be read
 */
export async function nativeStatus(options: StatusOptions, call: Call): Promise<readonly NativeStatus[]> {
  const { name, clusters = clustersFolder(), damaged = saidTo(call) } = options;
  const states =
    name === undefined
      ? await listStates(clusters, damaged)
      : [await readState(clusterFolder(name, clusters))].filter((state) => state !== undefined);
  const found: NativeStatus[] = [];
  for (const state of states) {
    const cluster = clusterOf(clusterFolder(state.name, clusters), state);
    found.push({ ...cluster, created: state.created, state: await stateOf(state, clusters, call) });
  }
  return found;
}

async function stateOf(state: ClusterState, clusters: string, call: Call): Promise<Condition> {
  const folder = clusterFolder(state.name, clusters);
  if ((await processesOf(state.id)).length === 0) return "over";
  if (!(await exists(folder.ready))) return "half";
  const port = state.ports.find((p) => p.what === "api")?.host ?? 0;
  using api = await openApi("127.0.0.1", port, folder.pki);
  const node = await api.get(`/api/v1/nodes/${NODE}`, call);
  return node !== undefined && isReady(node) ? "ready" : "not ready";
}
