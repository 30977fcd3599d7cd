import { KUBERNETES } from "../cluster/index.ts";

/** What a native cluster is made of, beside Kubernetes. Sums stand in `modules/NAME/go.sum`. */

export const CONTAINERD = "2.3.7";
const RUNC = "1.4.3";

/** Some programs of one Go module of ours, `modules/NAME`. */
export interface Build {
  readonly name: string;
  readonly version: string;
  /** The packages, each giving the program named last in its path, or `as`. */
  readonly packages: readonly string[];
  readonly as?: string;
  /** The folder below the others that the programs go to. */
  readonly folder?: string;
  readonly tags?: readonly string[];
  /** For the linker, beside `-s -w`. */
  readonly link?: readonly string[];
  /** Needs a C compiler, and the headers of libseccomp. */
  readonly seccomp?: true;
  /** Roughly, in packages: how long it takes beside the others. */
  readonly size: number;
}

const KUBERNETES_VERSION = "k8s.io/component-base/version";

/** In this order: what is quick first, so that what cannot be built here is told soon. */
export const builds: readonly Build[] = [
  { name: "pause", version: "1", packages: ["imgvol.invalid/cluster/pause"], size: 60 },
  {
    name: "runc",
    version: RUNC,
    packages: ["github.com/opencontainers/runc"],
    tags: ["seccomp", "netgo", "osusergo"],
    link: [`-X main.version=${RUNC}`, "-extldflags -static"],
    // Without it every sandbox fails: containerd always gives one a seccomp profile.
    seccomp: true,
    size: 300,
  },
  {
    name: "cni",
    version: "1.9.1",
    packages: ["ipam/host-local", "main/bridge", "main/loopback"].map(
      (name) => `github.com/containernetworking/plugins/plugins/${name}`,
    ),
    folder: "cni",
    size: 250,
  },
  { name: "etcd", version: "3.6.16", packages: ["go.etcd.io/etcd/server/v3"], as: "etcd", size: 600 },
  {
    name: "containerd",
    version: CONTAINERD,
    packages: ["containerd", "containerd-shim-runc-v2", "ctr"].map(
      (name) => `github.com/containerd/containerd/v2/cmd/${name}`,
    ),
    tags: ["no_btrfs", "no_devmapper", "no_zfs"],
    link: [`-X github.com/containerd/containerd/v2/version.Version=v${CONTAINERD}`],
    size: 900,
  },
  {
    name: "coredns",
    version: "1.15.0",
    packages: ["imgvol.invalid/cluster/coredns"],
    size: 700,
  },
  {
    name: "kubernetes",
    version: KUBERNETES,
    packages: [
      "kube-apiserver",
      "kube-controller-manager",
      "kube-proxy",
      "kube-scheduler",
      "kubectl",
      "kubelet",
    ].map((name) => `k8s.io/kubernetes/cmd/${name}`),
    tags: ["providerless"],
    link: [
      `-X ${KUBERNETES_VERSION}.gitVersion=v${KUBERNETES}`,
      `-X ${KUBERNETES_VERSION}.gitMajor=1`,
      `-X ${KUBERNETES_VERSION}.gitMinor=${KUBERNETES.split(".")[1]}`,
      `-X ${KUBERNETES_VERSION}.gitTreeState=clean`,
      `-X k8s.io/client-go/pkg/version.gitVersion=v${KUBERNETES}`,
    ],
    size: 2200,
  },
];

/** The programs of a build, as they are named. */
export function programsOf({ packages, as }: Build): readonly string[] {
  return packages.map((path) => as ?? path.slice(path.lastIndexOf("/") + 1));
}
