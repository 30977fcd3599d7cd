import { isDeepStrictEqual } from "node:util";
import { type Call, makeFolder, messageOf, quietCall, removeTree } from "../base/index.ts";
import { ClusterError, lockClusters, type Published, tellOthers } from "../cluster/index.ts";
import { openHtpasswd } from "../serve/index.ts";
import { dashboardSteps, newToken, PAGE, packDashboard } from "./dashboard.ts";
import { findEngine, likelyEngine } from "./engine.ts";
import type { KindSpec } from "./files.ts";
import { lackOf } from "./image.ts";
import { decide, type KindOptions, portsOf, takenBy, withOpenPorts, withPorts } from "./options.ts";
import { type KindPlan, kindPlan, kindScript, nodeName } from "./plan.ts";
import { findKind, runCommand, runSteps, succeeds } from "./run.ts";
import {
  type KindFolder,
  type KindState,
  kindClustersFolder,
  kindFolder,
  listKindStates,
  readKindState,
  writeKindState,
} from "./state.ts";

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
  /** The page of the dashboard, where there is one. */
  readonly dashboard?: string;
}

const DOWN = "imgvol cluster down --name";

/**
 * Makes a cluster of one node with kind, and a registry beside it. One that is up already is brought into order again.
 *
 * @throws ClusterError `no-engine`, `program-missing`, `version-unsupported`, `cluster-up`, `cluster-failed`; BaseError
 *   `port-in-use`; RegistryError `htpasswd-unreadable`, `htpasswd-invalid`. Nothing of a new cluster is left then.
 */
export async function kindUp(options: KindOptions, call: Call): Promise<KindCluster> {
  const clusters = options.clusters ?? kindClustersFolder();
  const folder = kindFolder(options.name ?? "imgvol", clusters);
  const decided = decide(options);
  tellOthers(decided.publish, call);
  if (decided.htpasswd !== undefined)
    await openHtpasswd(decided.htpasswd, (text) => call.progress?.say(text));
  const engine = await findEngine(call);
  const wanted = { ...decided, engine };
  await findKind();
  await makeFolder(clusters, 0o700);
  await using _held = await lockClusters(clusters, call);
  const before = await readKindState(folder);
  if (before?.whole) return await mend(folder, before, wanted, options, call);
  if (before !== undefined) await removeKind(folder, before, call);

  const others = await listKindStates(clusters);
  const spec = await withPorts(wanted, takenBy(others.map((other) => other.spec)));
  const plan = kindPlan(spec, folder.kubeconfig);
  for (const container of plan.containers) await refuse(plan, spec, container, call);
  const token = spec.dashboard === undefined ? {} : { token: newToken() };
  const state = { spec, created: new Date().toISOString(), whole: false, ...token };
  try {
    await writeKindState(folder, state);
    return await finish(folder, state, plan, options, call);
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
  const decided = decide(options);
  tellOthers(decided.publish, call);
  const spec = await withOpenPorts({ ...decided, engine });
  const plan = kindPlan(spec, folder.kubeconfig);
  // In between imgvol packs itself: no program of the plan.
  const volume = `localhost:${spec.registryPort}/imgvol:dashboard`;
  return kindScript(plan, [...plan.up, ...(spec.dashboard ? dashboardSteps(spec, volume) : [])]);
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
  return await finish(folder, state, kindPlan(spec, folder.kubeconfig), options, call);
}

async function finish(
  folder: KindFolder,
  state: KindState,
  plan: KindPlan,
  { dashboard }: KindOptions,
  call: Call,
): Promise<KindCluster> {
  await runSteps(plan, plan.up, call);
  if (dashboard !== undefined) {
    const volume = await packDashboard(dashboard, state.spec, call);
    await runSteps(plan, dashboardSteps(state.spec, volume, state.token), call);
  }
  const { engine } = state.spec;
  const { stdout } = await runCommand(
    plan,
    [engine, "exec", nodeName(state.spec), "containerd", "--version"],
    "",
    call,
  );
  const [containerd = ""] = /\d+\.\d+\.\d+\S*/.exec(stdout) ?? [];
  const lack = lackOf(containerd);
  if (lack !== undefined) call.progress?.say(lack);
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

export function kindClusterOf(folder: KindFolder, { spec, containerd, token }: KindState): KindCluster {
  const page = spec.publish.find(({ node }) => node === PAGE);
  return {
    name: spec.name,
    engine: spec.engine,
    kubernetes: spec.version,
    image: spec.image,
    containerd: containerd ?? "",
    kubeconfig: folder.kubeconfig,
    registry: `localhost:${spec.registryPort}`,
    ports: portsOf(spec),
    ...(token === undefined ? {} : { dashboard: `http://127.0.0.1:${page?.host}/login?t=${token}` }),
  };
}
