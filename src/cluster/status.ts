import { type Call, exists } from "../base/index.ts";
import { isReady, openApi } from "./api.ts";
import type { ClusterError } from "./errors.ts";
import { NODE } from "./pki.ts";
import { processesOf } from "./processes.ts";
import { clusterFolder, clustersFolder, listStates } from "./state.ts";
import { type Cluster, clusterOf } from "./up.ts";

export interface ClusterStatus extends Cluster {
  /** `half`: it is on its way, or what an `up` left that was killed; `over`: its processes ended. */
  readonly state: "ready" | "not ready" | "half" | "over";
}

/** Every native cluster of this user's, and how it is; of a damaged state it is said what it is. */
export async function clusterStatus(
  clusters: string = clustersFolder(),
  call: Call,
): Promise<readonly ClusterStatus[]> {
  const found: ClusterStatus[] = [];
  const damaged = ({ message, hint }: ClusterError): void => call.progress?.say(`${message}; ${hint}`);
  for (const state of await listStates(clusters, damaged)) {
    const folder = clusterFolder(state.name, clusters);
    const cluster = clusterOf(folder, state);
    found.push({ ...cluster, state: await stateOf() });

    async function stateOf(): Promise<ClusterStatus["state"]> {
      if ((await processesOf(state.id)).length === 0) return "over";
      if (!(await exists(folder.ready))) return "half";
      const port = state.ports.find((p) => p.what === "api")?.host ?? 0;
      using api = await openApi("127.0.0.1", port, folder.pki);
      const node = await api.get(`/api/v1/nodes/${NODE}`, call);
      return node !== undefined && isReady(node) ? "ready" : "not ready";
    }
  }
  return found;
}
