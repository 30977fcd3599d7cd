import { join } from "node:path";
import type { Addresses } from "./addresses.ts";
import type { NodeFolder } from "./node-folder.ts";
import { NODE } from "./pki.ts";

/** A program that runs as long as the cluster does. */
export interface Component {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

/** Only the controllers that the workloads of a test need: with all of them a cluster starts 4.5 s later. */
const CONTROLLERS = [
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
  "deployment-controller",
  "replicaset-controller",
  "statefulset-controller",
  "daemonset-controller",
  "job-controller",
  "cronjob-controller",
  "endpointslice-controller",
  "namespace-controller",
  "pod-garbage-collector-controller",
  "garbage-collector-controller",
  "node-lifecycle-controller",
  "taint-eviction-controller",
  "disruption-controller",
];

export function containerd(at: NodeFolder): Component {
  return { name: "containerd", program: "containerd", args: ["-c", at.containerd] };
}

/** Not synced: the cluster's state lives no longer than the cluster. */
export function etcd(at: NodeFolder): Component {
  const client = "http://127.0.0.1:2379";
  return {
    name: "etcd",
    program: "etcd",
    args: [
      ...["--data-dir", at.etcd, "--unsafe-no-fsync", "--log-level", "warn"],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", "http://127.0.0.1:2380"],
    ],
  };
}

/** @param emulated a minor version whose defaults are taken, for example 1.34 */
export function apiServer(
  pki: string,
  { node, services }: Addresses,
  port: number,
  emulated: string | undefined,
): Component {
  const file = (name: string): string => join(pki, name);
  return {
    name: "kube-apiserver",
    program: "kube-apiserver",
    args: [
      "--etcd-servers=http://127.0.0.1:2379",
      `--secure-port=${port}`,
      "--bind-address=0.0.0.0",
      `--advertise-address=${node}`,
      `--tls-cert-file=${file("apiserver.crt")}`,
      `--tls-private-key-file=${file("apiserver.key")}`,
      `--client-ca-file=${file("ca.crt")}`,
      `--kubelet-client-certificate=${file("kubelet-client.crt")}`,
      `--kubelet-client-key=${file("kubelet-client.key")}`,
      "--kubelet-preferred-address-types=InternalIP",
      `--service-account-key-file=${file("service-accounts.pub")}`,
      `--service-account-signing-key-file=${file("service-accounts.key")}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-cluster-ip-range=${services}`,
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
      "--allow-privileged=true",
      ...(emulated === undefined ? [] : [`--emulated-version=kube=${emulated}`]),
      "--v=1",
    ],
  };
}

export function controllerManager(pki: string, kubeconfig: string): Component {
  const file = (name: string): string => join(pki, name);
  return {
    name: "kube-controller-manager",
    program: "kube-controller-manager",
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--service-account-private-key-file=${file("service-accounts.key")}`,
      `--root-ca-file=${file("ca.crt")}`,
      `--cluster-signing-cert-file=${file("ca.crt")}`,
      `--cluster-signing-key-file=${file("ca.key")}`,
      "--use-service-account-credentials=true",
      "--leader-elect=false",
      `--controllers=${CONTROLLERS.join(",")}`,
      "--bind-address=127.0.0.1",
      "--v=1",
    ],
  };
}

export function scheduler(kubeconfig: string): Component {
  return {
    name: "kube-scheduler",
    program: "kube-scheduler",
    args: [`--kubeconfig=${kubeconfig}`, "--leader-elect=false", "--bind-address=127.0.0.1", "--v=1"],
  };
}

export function kubelet(at: NodeFolder, kubeconfig: string, { node }: Addresses): Component {
  return {
    name: "kubelet",
    program: "kubelet",
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--config=${at.kubelet}`,
      `--root-dir=${join(at.path, "kubelet")}`,
      `--hostname-override=${NODE}`,
      `--node-ip=${node}`,
      "--v=2",
    ],
  };
}

/** Services by nftables. The conntrack settings are the machine's, and stay as they are. */
export function proxy(kubeconfig: string): Component {
  return {
    name: "kube-proxy",
    program: "kube-proxy",
    args: [
      `--kubeconfig=${kubeconfig}`,
      "--proxy-mode=nftables",
      "--cluster-cidr=10.244.0.0/16",
      `--hostname-override=${NODE}`,
      "--bind-address=127.0.0.1",
      "--metrics-bind-address=127.0.0.1:10249",
      "--healthz-bind-address=127.0.0.1:10256",
      "--conntrack-max-per-core=0",
      "--conntrack-tcp-timeout-established=0",
      "--conntrack-tcp-timeout-close-wait=0",
    ],
  };
}

export function dns(at: NodeFolder): Component {
  return { name: "coredns", program: "coredns", args: ["-conf", at.corefile] };
}
