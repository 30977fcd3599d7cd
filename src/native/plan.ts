import { randomUUID } from "node:crypto";
import { realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BaseError } from "../base/index.ts";
import { type Binaries, builds, CONTAINERD, programsOf } from "../binaries/index.ts";
import { ClusterError, freePort, KUBERNETES, type Published, type TakenPorts } from "../cluster/index.ts";
import { freeNetwork } from "./free-network.ts";
import { OWN_FOLDERS } from "./mount-points.ts";
import type { NativeOptions } from "./options.ts";
import type { ClusterState } from "./state-format.ts";

/**
 * What the cluster is going to be, before anything of it is there; while the machine's lock is held.
 *
 * @param others of this machine
 * @throws ClusterError `cluster-failed`, `path-hidden`; BaseError `port-in-use`
 */
export async function plan(
  name: string,
  clusters: string,
  others: readonly ClusterState[],
  binaries: Binaries,
  options: NativeOptions,
): Promise<ClusterState> {
  const names = [...builds.flatMap(programsOf), "nft"];
  const programs = Object.fromEntries(names.map((program) => [program, binaries.path(program)]));
  const htpasswd = options.htpasswd === undefined ? undefined : resolve(options.htpasswd);
  const folder = join(await realpath(clusters), name);
  await refuseHidden([folder, ...Object.values(programs), ...(htpasswd === undefined ? [] : [htpasswd])]);
  return {
    name,
    id: randomUUID(),
    folder,
    kubernetes: KUBERNETES,
    containerd: CONTAINERD,
    created: new Date().toISOString(),
    network: freeNetwork(new Set(others.map((other) => other.network))),
    ports: await freePorts(options, portsOf(others, dirname(folder))),
    gateOff: options.gateOff ?? false,
    programs,
    cni: binaries.cni,
    ...(htpasswd === undefined ? {} : { htpasswd }),
  };
}

/**
 * On the node these are etcd's, the kubelet's, kube-proxy's, the controller manager's and the scheduler's, and DNS's.
 * https://kubernetes.io/docs/reference/networking/ports-and-protocols/
 */
const NODE_PORTS: ReadonlySet<number> = new Set([
  53, 2379, 2380, 10_248, 10_249, 10_250, 10_256, 10_257, 10_259,
]);

/** @param here where clusters are kept by default: another's place is worth a word */
function portsOf(states: readonly ClusterState[], here: string): TakenPorts {
  const taken: TakenPorts = new Map();
  for (const { name, folder, ports } of states) {
    const whose = dirname(folder) === here ? `the cluster ${name}` : `the cluster ${name} in ${folder}`;
    for (const { host } of ports) taken.set(host, whose);
  }
  return taken;
}

async function freePorts(options: NativeOptions, taken: TakenPorts): Promise<readonly Published[]> {
  for (const [flag, port] of [
    ["--api-port", options.apiPort],
    ["--registry-port", options.registryPort],
  ] as const) {
    if (port !== undefined && NODE_PORTS.has(port)) {
      throw new BaseError("port-in-use", `port ${port} is one that Kubernetes itself has on the node`, {
        hint: `choose another with ${flag} (0 takes any free one)`,
      });
    }
  }
  const api = await freePort(options.apiPort ?? 6443, "--api-port", taken);
  const registry = await freePort(options.registryPort ?? 5001, "--registry-port", taken);
  const ports: Published[] = [
    { host: api, node: api, what: "api" },
    { host: registry, node: registry, what: "registry" },
  ];
  for (const { host, node } of options.publish ?? []) {
    ports.push({ host: await freePort(host, `--publish PORT:${node}`, taken), node, what: "published" });
  }
  return ports;
}

/** The node has file systems of its own in some places, and would not see what the machine has there. */
async function refuseHidden(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    // Through links: /var/run is /run.
    const real = await realpath(path).catch(() => path);
    const hidden = OWN_FOLDERS.find((own) => [path, real].some((p) => p.startsWith(`${own}/`)));
    if (hidden === undefined) continue;
    throw new ClusterError("path-hidden", `${path} is below ${hidden}, where the node has files of its own`, {
      hint: "keep it in another place: XDG_STATE_HOME, IMGVOL_CACHE, --bin and --registry-htpasswd name them",
      wrongUse: true,
    });
  }
}
