import { join } from "node:path";
import type { ClusterUser } from "./pki.ts";
import type { ClusterFolder } from "./state.ts";

/** What the node keeps, and what its programs are told: below the cluster's folder. */
export interface NodeFolder {
  readonly path: string;
  readonly containerd: string;
  readonly kubelet: string;
  readonly corefile: string;
  readonly resolv: string;
  readonly cniConf: string;
  readonly etcd: string;
  kubeconfig(user: ClusterUser): string;
}

export function nodeFolder(cluster: ClusterFolder): NodeFolder {
  const path = join(cluster.path, "node");
  return {
    path,
    containerd: join(path, "containerd.toml"),
    kubelet: join(path, "kubelet.json"),
    corefile: join(path, "Corefile"),
    resolv: join(path, "resolv.conf"),
    cniConf: join(path, "cni", "conf"),
    etcd: join(path, "etcd"),
    kubeconfig: (user) => join(path, `${user}.kubeconfig`),
  };
}
