import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rename } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Call, errno, lock, makeFolder, messageOf, quietCall, removeTree } from "../base/index.ts";
import { addressesOf } from "./addresses.ts";
import { type Binaries, type BinariesOptions, findBinaries } from "./binaries.ts";
import { makeCgroups } from "./cgroups.ts";
import { removeCluster } from "./down.ts";
import { ClusterError } from "./errors.ts";
import { freePort } from "./free-port.ts";
import type { Told } from "./keeper.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { makeMountPoints, missingMountPoints } from "./mount-points.ts";
import { writePki } from "./pki.ts";
import { MARK } from "./processes.ts";
import { findProgram } from "./program.ts";
import {
  type ClusterFolder,
  type ClusterState,
  clusterFolder,
  clustersFolder,
  listStates,
  type Published,
  readState,
  writeState,
} from "./state.ts";
import { readSysctls } from "./sysctls.ts";
import { builds, CONTAINERD, KUBERNETES, programsOf } from "./versions.ts";

export interface UpOptions extends BinariesOptions {
  /** Default `imgvol`. */
  readonly name?: string | undefined;
  /** Of this machine; 0 takes any free one. Default 6443. */
  readonly apiPort?: number | undefined;
  /** Of this machine and of the node, so that a reference means the same on both. Default 5001. */
  readonly registryPort?: number | undefined;
  /** More ports of this machine that lead to ports of the node: NodePorts, say. */
  readonly publish?: readonly { readonly host: number; readonly node: number }[] | undefined;
  /** The API server behaves like Kubernetes 1.34, and drops image volumes: for tests of that. */
  readonly gateOff?: boolean | undefined;
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string | undefined;
  /** Where clusters are kept. */
  readonly clusters?: string | undefined;
}

/** A cluster that is up. */
export interface Cluster {
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

/** The system's own programs that make namespaces and links. */
const SYSTEM = ["ip", "mount", "setpriv", "sh", "unshare", "hostname"] as const;

/**
 * Starts a Kubernetes of one node on this machine, in namespaces of its own.
 *
 * @throws ClusterError `not-supported`, `not-root`, `program-missing`, `build-failed`, `cluster-up`, `cluster-failed`;
 *   BaseError `port-in-use`. Nothing of it is left then.
 */
export async function clusterUp(options: UpOptions, call: Call): Promise<Cluster> {
  const name = options.name ?? "imgvol";
  const clusters = options.clusters ?? clustersFolder();
  const folder = clusterFolder(name, clusters);
  await checkMachine();
  const binaries = await findBinaries(options, call);
  // Two at a time would take the same network, and the same ports.
  await using _held = await lock(join(clusters, ".lock"), "exclusive", call);
  if ((await readState(folder)) !== undefined) {
    throw new ClusterError("cluster-up", `there is a cluster ${name} already`, {
      hint: `imgvol cluster status, or imgvol cluster down --name ${name}`,
    });
  }
  const state = await plan(name, clusters, binaries, options);
  try {
    await prepare(folder, state, call);
    await keep(folder, state, clusters, call);
  } catch (error) {
    await keepLogs(folder);
    await removeCluster(folder, state, clusters, quietCall());
    throw error;
  }
  return clusterOf(folder, state);
}

export function clusterOf(folder: ClusterFolder, state: ClusterState): Cluster {
  const registry = state.ports.find((port) => port.what === "registry")?.host ?? 0;
  return {
    name: state.name,
    kubernetes: state.kubernetes,
    containerd: state.containerd,
    kubeconfig: folder.kubeconfig,
    kubectl: state.programs["kubectl"] ?? "kubectl",
    registry: `localhost:${registry}`,
    node: addressesOf(state.network).node,
    ports: state.ports,
    logs: folder.logs,
  };
}

async function checkMachine(): Promise<void> {
  if (process.platform !== "linux") {
    throw new ClusterError("not-supported", `a native cluster needs Linux, not ${process.platform}`, {
      hint: "with a container engine: imgvol cluster up --provider kind",
      wrongUse: true,
    });
  }
  if (process.geteuid?.() !== 0) {
    throw new ClusterError("not-root", "a native cluster needs root: it makes namespaces, mounts and links", {
      hint: "run it with sudo, or with a container engine: imgvol cluster up --provider kind",
      wrongUse: true,
    });
  }
  for (const program of SYSTEM) {
    if ((await findProgram(program)) !== undefined) continue;
    throw new ClusterError("program-missing", `${program} is not on the PATH`, {
      hint: "install util-linux, iproute2 and hostname",
    });
  }
}

/** What the programs said is all that can tell why a cluster did not come up. */
async function keepLogs({ logs, lastLogs }: ClusterFolder): Promise<void> {
  await removeTree(lastLogs);
  await rename(logs, lastLogs).catch((error: unknown) => {
    if (errno(error) !== "ENOENT") throw error;
  });
}

/** What the cluster is going to be, before anything of it is there. */
async function plan(
  name: string,
  clusters: string,
  binaries: Binaries,
  options: UpOptions,
): Promise<ClusterState> {
  const others = await listStates(clusters);
  const taken = new Set(others.flatMap((other) => other.ports.map((port) => port.host)));
  const api = await freePort(options.apiPort ?? 6443, "--api-port", taken);
  const registry = await freePort(options.registryPort ?? 5001, "--registry-port", taken);
  const ports: Published[] = [
    { host: api, node: api, what: "api" },
    { host: registry, node: registry, what: "registry" },
  ];
  for (const { host, node } of options.publish ?? []) {
    ports.push({ host: await freePort(host, "--publish", taken), node, what: "published" });
  }
  const names = [...builds.flatMap(programsOf), "nft"];
  return {
    name,
    id: randomUUID(),
    kubernetes: KUBERNETES,
    containerd: CONTAINERD,
    created: new Date().toISOString(),
    network: freeNetwork(new Set(others.map((other) => other.network))),
    ports,
    gateOff: options.gateOff ?? false,
    programs: Object.fromEntries(names.map((program) => [program, binaries.path(program)])),
    cni: binaries.cni,
    ...(options.htpasswd === undefined ? {} : { htpasswd: resolve(options.htpasswd) }),
    // Of the first cluster that changed them.
    sysctls: others[0]?.sysctls ?? (await readSysctls()),
    folders: others[0]?.folders ?? (await missingMountPoints()),
  };
}

function freeNetwork(taken: ReadonlySet<number>): number {
  const here = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  for (let n = 0; n < 256; n++) {
    if (!taken.has(n) && !here.some(({ address }) => address.startsWith(`10.240.${n}.`))) return n;
  }
  throw new ClusterError("cluster-failed", "every network 10.240.N.0/24 is in use");
}

async function prepare(folder: ClusterFolder, state: ClusterState, call: Call): Promise<void> {
  await writeState(folder, state);
  call.signal.throwIfAborted();
  for (const path of [folder.logs, folder.registry]) await makeFolder(path, 0o700);
  await makeMountPoints(state.folders);
  await makeCgroups(state);
  await writePki(folder.pki, addressesOf(state.network), new Date());
  const api = state.ports.find((p) => p.what === "api")?.host ?? 0;
  const server = `https://127.0.0.1:${api}`;
  await writeKubeconfig(folder.kubeconfig, { name: state.name, pki: folder.pki, user: "admin", server });
}

/** Starts the process that the cluster hangs on, and waits until all is up. */
async function keep(folder: ClusterFolder, state: ClusterState, clusters: string, call: Call): Promise<void> {
  const task = call.progress?.start(`start cluster ${state.name}`);
  const keeper = fork(fileURLToPath(new URL("./keeper.ts", import.meta.url)), [], {
    detached: true,
    // Not the caller's: what is in it may be secret, and would be seen by every program of the cluster.
    env: {
      PATH: process.env["PATH"],
      HOME: folder.path,
      [MARK]: state.id,
      IMGVOL_CLUSTER_NAME: state.name,
      IMGVOL_CLUSTERS: clusters,
    },
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void =>
        reject(
          new ClusterError("cluster-failed", `the cluster ${state.name} did not come up: ${why}`, {
            hint: `what its programs said is in ${folder.lastLogs}`,
          }),
        );
      keeper.on("message", (told: Told) => {
        if ("failed" in told) fail(told.failed);
        else if (told.step === "ready") resolve();
        else call.progress?.say(told.step);
      });
      keeper.once("error", (error) => fail(messageOf(error)));
      keeper.once("exit", (code, signal) => fail(`its keeper ended with ${signal ?? code}`));
      call.signal.addEventListener("abort", () => reject(call.signal.reason), { once: true });
      if (call.signal.aborted) reject(call.signal.reason);
    });
    task?.done();
  } catch (error) {
    task?.failed();
    throw error;
  } finally {
    keeper.removeAllListeners();
    if (keeper.connected) keeper.disconnect();
    keeper.unref();
  }
}
