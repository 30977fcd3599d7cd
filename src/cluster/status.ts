import { type Call, exists } from "../base/index.ts";
import { isReady, openApi } from "./api.ts";
import type { ClusterError } from "./errors.ts";
import { NODE } from "./pki.ts";
import { processesOf } from "./processes.ts";
import { type ClusterState, clusterFolder, clustersFolder, listStates, readState } from "./state.ts";
import { type Cluster, clusterOf } from "./up.ts";

export interface StatusOptions {
  /** Of this one alone. Default: of all. */
  readonly name?: string | undefined;
  /** Where clusters are kept. */
  readonly clusters?: string | undefined;
  /** Is told of each state that cannot be read, which is not in the way of the others. Default: it is said as progress. */
  readonly damaged?: ((error: ClusterError) => void) | undefined;
}

export interface ClusterStatus extends Cluster {
  readonly created: string;
  /** `half`: it is on its way, or what an `up` left that was killed; `over`: its processes ended. */
  readonly state: "ready" | "not ready" | "half" | "over";
}

/**
 * Every native cluster of this user's, or the one that is asked for, and how it is.
 *
 * @throws ClusterError `name-invalid`; `cluster-unknown` where the state of the one that is asked for cannot be read
 */
export async function clusterStatus(options: StatusOptions, call: Call): Promise<readonly ClusterStatus[]> {
  const { name, clusters = clustersFolder(), damaged = saidTo(call) } = options;
  const states =
    name === undefined
      ? await listStates(clusters, damaged)
      : [await readState(clusterFolder(name, clusters))].filter((state) => state !== undefined);
  const found: ClusterStatus[] = [];
  for (const state of states) {
    const cluster = clusterOf(clusterFolder(state.name, clusters), state);
    found.push({ ...cluster, created: state.created, state: await stateOf(state, clusters, call) });
  }
  return found;
}

/** Where nobody else asks for what is damaged. */
export function saidTo(call: Call): (error: ClusterError) => void {
  return ({ message, hint }) => call.progress?.say(`${message}; ${hint}`);
}

async function stateOf(state: ClusterState, clusters: string, call: Call): Promise<ClusterStatus["state"]> {
  const folder = clusterFolder(state.name, clusters);
  if ((await processesOf(state.id)).length === 0) return "over";
  if (!(await exists(folder.ready))) return "half";
  const port = state.ports.find((p) => p.what === "api")?.host ?? 0;
  using api = await openApi("127.0.0.1", port, folder.pki);
  const node = await api.get(`/api/v1/nodes/${NODE}`, call);
  return node !== undefined && isReady(node) ? "ready" : "not ready";
}
