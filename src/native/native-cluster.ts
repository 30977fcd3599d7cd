import type { Published } from "../cluster/index.ts";
import { addressesOf } from "./addresses.ts";
import type { ClusterFolder } from "./state.ts";
import { type ClusterState, portOf } from "./state-format.ts";

/** A native cluster that is up. */
export interface NativeCluster {
  readonly name: string;
  readonly kubernetes: string;
  readonly containerd: string;
  /** The file for `KUBECONFIG`. */
  readonly kubeconfig: string;
  /** The program that goes with it. */
  readonly kubectl: string;
  /** `localhost:PORT`: the same on this machine and on the node. */
  readonly registry: string;
  /** The node's address, by which this machine reaches NodePorts. */
  readonly node: string;
  readonly ports: readonly Published[];
  /** The programs' logs. */
  readonly logs: string;
}

export function clusterOf(folder: ClusterFolder, state: ClusterState): NativeCluster {
  return {
    name: state.name,
    kubernetes: state.kubernetes,
    containerd: state.containerd,
    kubeconfig: folder.kubeconfig,
    kubectl: state.programs["kubectl"] ?? "kubectl",
    registry: `localhost:${portOf(state, "registry").host}`,
    node: addressesOf(state.network).node,
    ports: state.ports,
    logs: folder.logs,
  };
}
