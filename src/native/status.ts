import type { Call } from "../base/index.ts";
import { type Condition, type StatusOptions, saidTo } from "../cluster/index.ts";
import { conditionOf } from "./condition.ts";
import { clusterOf, type NativeCluster } from "./native-cluster.ts";
import { clusterFolder, clustersFolder, listStates, readState } from "./state.ts";

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
    const folder = clusterFolder(state.name, clusters);
    const how = await conditionOf(folder, state, call);
    found.push({ ...clusterOf(folder, state), created: state.created, state: how });
  }
  return found;
}
