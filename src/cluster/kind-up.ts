import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Call, lock, makeFolder, messageOf, quietCall, removeTree } from "../base/index.ts";
import { ClusterError } from "./errors.ts";
import { freePort } from "./free-port.ts";
import { findEngine, likelyEngine } from "./kind-engine.ts";
import type { KindSpec } from "./kind-files.ts";
import { imageVolumeGate, kubernetesVersion } from "./kind-image.ts";
import { type KindPlan, kindPlan, kindScript, nodeName } from "./kind-plan.ts";
import { findKind, runSteps, succeeds, words } from "./kind-run.ts";
import {
  type KindFolder,
  type KindState,
  kindClustersFolder,
  kindFolder,
  listKindStates,
  readKindState,
  writeKindState,
} from "./kind-state.ts";
import type { Published } from "./state.ts";
import { MINOR } from "./versions.ts";

export interface KindOptions {
  /** Default `imgvol`. */
  readonly name?: string | undefined;
  /** `1.36`, or `1.36.4`. Default: the minor version of a native cluster. */
  readonly kubernetes?: string | undefined;
  /** Instead of the one that is known for the version: one of the user's own, say. */
  readonly nodeImage?: string | undefined;
  /** Of this machine; 0 takes any free one. Default 6443. */
  readonly apiPort?: number | undefined;
  /** Of this machine, and of references on the node. Default 5001. */
  readonly registryPort?: number | undefined;
  readonly publish?: readonly { readonly host: number; readonly node: number }[] | undefined;
  /** The gate ImageVolume is off: 1.35 and earlier. */
  readonly gateOff?: boolean | undefined;
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string | undefined;
  /** Where clusters of kind's are kept. */
  readonly clusters?: string | undefined;
}

/** A cluster of kind's. */
export interface KindCluster {
  readonly name: string;
  readonly engine: string;
  readonly kubernetes: string;
  readonly image: string;
  /** Empty until it was seen running. */
  readonly containerd: string;
  /** The file for `KUBECONFIG`. */
  readonly kubeconfig: string;
  /** `localhost:PORT`: the same on this machine and on the node. */
  readonly registry: string;
  readonly ports: readonly Published[];
}

const DOWN = "imgvol cluster down --name";

/**
 * Makes a cluster of one node with kind, and a registry beside it. One that is up already is brought into order again.
 *
 * @throws ClusterError `no-engine`, `program-missing`, `version-unsupported`, `cluster-up`, `cluster-failed`; BaseError
 *   `port-in-use`. Nothing of a new cluster is left then.
 */
export async function kindUp(options: KindOptions, call: Call): Promise<KindCluster> {
  const clusters = options.clusters ?? kindClustersFolder();
  const folder = kindFolder(options.name ?? "imgvol", clusters);
  const decided = decide(options);
  const engine = await findEngine(call);
  const wanted = { ...decided, engine };
  await findKind();
  await makeFolder(clusters, 0o700);
  await using _held = await lock(join(clusters, ".lock"), "exclusive", call);
  const before = await readKindState(folder);
  if (before?.whole) return await mend(folder, before, wanted, options, call);
  if (before !== undefined) await removeKind(folder, before, call);

  const taken = (await listKindStates(clusters)).flatMap(({ spec }) => portsOf(spec));
  const spec = await withPorts(wanted, new Set(taken.map(({ host }) => host)));
  const plan = kindPlan(spec, folder.kubeconfig);
  for (const container of plan.containers) await refuse(plan, spec, container, call);
  const state = { spec, created: new Date().toISOString(), whole: false };
  try {
    await writeKindState(folder, state);
    return await finish(folder, state, plan, call);
  } catch (error) {
    // Its state stays where this fails: then `down` can do it later.
    await removeKind(folder, state, quietCall()).catch((left: unknown) =>
      call.progress?.say(`not all that was made could be deleted (${messageOf(left)}): ${DOWN} ${spec.name}`),
    );
    throw error;
  }
}

/** The same as a script, for the engine that answers, or the one that kind would try first. @throws as {@link kindUp} */
export async function kindUpScript(options: KindOptions, call: Call): Promise<string> {
  const engine = await findEngine(call).catch((error: unknown) => {
    if (!(error instanceof ClusterError && error.code === "no-engine")) throw error;
    call.progress?.say(`${messageOf(error)}: these are the commands for ${likelyEngine()}`);
    return likelyEngine();
  });
  const folder = kindFolder(options.name ?? "imgvol", options.clusters ?? kindClustersFolder());
  const spec = { ...decide(options), engine };
  const plan = kindPlan(await withOpenPorts(spec), folder.kubeconfig);
  return kindScript(plan, plan.up);
}

/** @throws ClusterError `version-unsupported`, `name-invalid` */
function decide(options: KindOptions): Omit<KindSpec, "engine"> {
  const kubernetes = kubernetesVersion(options.kubernetes ?? MINOR);
  const image = options.nodeImage ?? kubernetes.image;
  if (image === undefined) {
    throw new ClusterError(
      "version-unsupported",
      `no node image of Kubernetes ${kubernetes.version} is known`,
      {
        hint: "name its patch version, or an image of your own with --node-image",
        wrongUse: true,
      },
    );
  }
  const gate = imageVolumeGate(kubernetes, options.gateOff ?? false);
  return {
    name: options.name ?? "imgvol",
    version: kubernetes.version,
    image,
    ...(gate === undefined ? {} : { gate }),
    apiPort: options.apiPort ?? 6443,
    registryPort: options.registryPort ?? 5001,
    publish: options.publish ?? [],
    ...(options.htpasswd === undefined ? {} : { htpasswd: resolve(options.htpasswd) }),
  };
}

/** Finds the ports that were left open, and whether the others are free. @throws BaseError `port-in-use` */
async function withPorts(spec: KindSpec, taken: Set<number>): Promise<KindSpec> {
  const apiPort = await freePort(spec.apiPort, "--api-port", taken);
  const registryPort = await freePort(spec.registryPort, "--registry-port", taken);
  const publish: { host: number; node: number }[] = [];
  for (const { host, node } of spec.publish) {
    publish.push({ host: await freePort(host, "--publish", taken), node });
  }
  return { ...spec, apiPort, registryPort, publish };
}

/** As {@link withPorts}, but not looking at those that are named: what holds one now may be gone when the script is run. */
async function withOpenPorts(spec: KindSpec): Promise<KindSpec> {
  const taken = new Set(portsOf(spec).map(({ host }) => host));
  const open = async (port: number): Promise<number> => port || (await freePort(0, "", taken));
  const publish: { host: number; node: number }[] = [];
  for (const { host, node } of spec.publish) publish.push({ host: await open(host), node });
  return {
    ...spec,
    apiPort: await open(spec.apiPort),
    registryPort: await open(spec.registryPort),
    publish,
  };
}

/** What has the name of a part of ours, and is not, is neither used nor, later, deleted. */
async function refuse(plan: KindPlan, { engine }: KindSpec, container: string, call: Call): Promise<void> {
  if (!(await succeeds(plan, [engine, "container", "inspect", container], call))) return;
  throw new ClusterError("cluster-up", `${engine} has a container ${container} that imgvol did not make`, {
    hint: "choose another --name, or remove it",
  });
}

/** Does again what may have been lost. @throws ClusterError `cluster-up` where it is not what is wanted now */
async function mend(
  folder: KindFolder,
  state: KindState,
  wanted: KindSpec,
  options: KindOptions,
  call: Call,
): Promise<KindCluster> {
  const { spec } = state;
  // A port that was left open is the one that was found then.
  const same = {
    ...wanted,
    apiPort: options.apiPort === 0 ? spec.apiPort : wanted.apiPort,
    registryPort: options.registryPort === 0 ? spec.registryPort : wanted.registryPort,
    publish: wanted.publish.map(({ host, node }, i) => ({
      host: host || (spec.publish[i]?.host ?? 0),
      node,
    })),
  };
  if (!isDeepStrictEqual(same, spec)) {
    throw new ClusterError("cluster-up", `there is a cluster ${spec.name} already, of another kind`, {
      hint: `imgvol cluster status, or ${DOWN} ${spec.name}`,
    });
  }
  return await finish(folder, state, kindPlan(spec, folder.kubeconfig), call);
}

async function finish(
  folder: KindFolder,
  state: KindState,
  plan: KindPlan,
  call: Call,
): Promise<KindCluster> {
  await runSteps(plan, plan.up, call);
  const { engine } = state.spec;
  const { stdout } = await words(
    plan,
    [engine, "exec", nodeName(state.spec), "containerd", "--version"],
    "",
    call,
  );
  const [containerd = ""] = /\d+\.\d+\.\d+\S*/.exec(stdout) ?? [];
  const whole = { ...state, whole: true, containerd };
  await writeKindState(folder, whole);
  return kindClusterOf(folder, whole);
}

/** Deletes what was made, and nothing else. Its state goes last: what fails in between can be done again. */
export async function removeKind(folder: KindFolder, { spec }: KindState, call: Call): Promise<void> {
  const plan = kindPlan(spec, folder.kubeconfig);
  await runSteps(plan, plan.down, call);
  await removeTree(folder.path);
}

export function kindClusterOf(folder: KindFolder, { spec, containerd }: KindState): KindCluster {
  return {
    name: spec.name,
    engine: spec.engine,
    kubernetes: spec.version,
    image: spec.image,
    containerd: containerd ?? "",
    kubeconfig: folder.kubeconfig,
    registry: `localhost:${spec.registryPort}`,
    ports: portsOf(spec),
  };
}

function portsOf({ apiPort, registryPort, publish }: KindSpec): readonly Published[] {
  return [
    { host: apiPort, node: 6443, what: "api" },
    { host: registryPort, node: registryPort, what: "registry" },
    ...publish.map(({ host, node }) => ({ host, node, what: "published" as const })),
  ];
}
