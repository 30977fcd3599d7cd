import type { Addresses } from "./addresses.ts";

/** What the programs of the node are told in files. `at` is the node's own folder. */

/** @param sandbox the reference of the sandbox's image */
export function containerdConfig(
  at: string,
  programs: { readonly runc: string; readonly shim: string; readonly cni: string },
  sandbox: string,
): string {
  const q = JSON.stringify;
  return `version = 3
root = ${q(`${at}/containerd/root`)}
state = ${q(`${at}/containerd/state`)}
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "${CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = ${q(`${at}/containerd/opt`)}

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = ${q(sandbox)}
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = ${q(`${at}/certs.d`)}

[plugins."io.containerd.cri.v1.runtime"]
  # In a container or a namespace of its own, the node may lack the capability to lower its score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_cdi = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [${q(programs.cni)}]
    conf_dir = ${q(`${at}/cni/conf`)}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = ${q(programs.shim)}
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = ${q(programs.runc)}
      SystemdCgroup = false
`;
}

/** In the node's own /run, which is a file system of its own. */
export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";

export function cniConfig(at: string, { pods }: Addresses): unknown {
  return {
    cniVersion: "1.0.0",
    name: "imgvol",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          dataDir: `${at}/cni/ipam`,
          ranges: [[{ subnet: pods }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
    ],
  };
}

/** https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ */
export function kubeletConfig(
  at: string,
  pki: string,
  { dns }: Addresses,
  cgroup: string,
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${pki}/ca.crt` },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    // What a process may have without CAP_SYS_RESOURCE.
    maxOpenFiles: 20_000,
    oomScoreAdj: 0,
    podLogsDir: "/var/log/pods",
    clusterDNS: [dns],
    clusterDomain: "cluster.local",
    resolvConf: `${at}/resolv.conf`,
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    imageGCHighThresholdPercent: 100,
    makeIPTablesUtilChains: false,
    staticPodPath: "",
    syncFrequency: "10s",
    nodeStatusUpdateFrequency: "4s",
    serializeImagePulls: false,
  };
}

/** CoreDNS on the node, for the cluster's names only: the cluster has no way out of this machine. */
export function corefile(kubeconfig: string, { node }: Addresses): string {
  return `.:53 {
  bind ${node}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
    ttl 5
  }
  cache 5
}
`;
}

/** What makes the node's CoreDNS and kube-proxy part of the cluster. */
export function baseObjects({ node, dns }: Addresses, dnsUser: string, proxyUser: string): unknown {
  const user = (name: string): unknown => ({ kind: "User", apiGroup: "rbac.authorization.k8s.io", name });
  const role = (name: string): unknown => ({
    kind: "ClusterRole",
    apiGroup: "rbac.authorization.k8s.io",
    name,
  });
  const rbac = "rbac.authorization.k8s.io/v1";
  const reads = [
    { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs: ["list", "watch"] },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
  ];
  const ports = [
    { name: "dns", protocol: "UDP", port: 53 },
    { name: "dns-tcp", protocol: "TCP", port: 53 },
  ];
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      binding("imgvol:proxy", role("system:node-proxier"), user(proxyUser)),
      { apiVersion: rbac, kind: "ClusterRole", metadata: { name: "imgvol:dns" }, rules: reads },
      binding("imgvol:dns", role("imgvol:dns"), user(dnsUser)),
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "kube-dns", namespace: "kube-system" },
        spec: { clusterIP: dns, ports },
      },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: "kube-dns-node",
          namespace: "kube-system",
          labels: { "kubernetes.io/service-name": "kube-dns" },
        },
        addressType: "IPv4",
        endpoints: [{ addresses: [node], conditions: { ready: true } }],
        ports,
      },
    ],
  };

  function binding(name: string, roleRef: unknown, subject: unknown): unknown {
    return { apiVersion: rbac, kind: "ClusterRoleBinding", metadata: { name }, roleRef, subjects: [subject] };
  }
}
