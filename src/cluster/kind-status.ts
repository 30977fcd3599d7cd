import type { Call } from "../base/index.ts";
import { kindPlan, kubectlIn, nodeName } from "./kind-plan.ts";
import { runCommand } from "./kind-run.ts";
import {
  type KindState,
  kindClustersFolder,
  kindFolder,
  listKindStates,
  readKindState,
} from "./kind-state.ts";
import { type KindCluster, kindClusterOf } from "./kind-up.ts";
import { type ClusterStatus, type StatusOptions, saidTo } from "./status.ts";

export interface KindStatus extends KindCluster {
  readonly created: string;
  /** `over`: its node is gone, or does not run, or its engine does not answer. */
  readonly state: ClusterStatus["state"];
}

/** As `clusterStatus`, of the clusters of kind's that imgvol made. @throws ClusterError `name-invalid`, `cluster-unknown` */
export async function kindStatus(options: StatusOptions, call: Call): Promise<readonly KindStatus[]> {
  const { name, clusters = kindClustersFolder(), damaged = saidTo(call) } = options;
  const states =
    name === undefined
      ? await listKindStates(clusters, damaged)
      : [await readKindState(kindFolder(name, clusters))].filter((state) => state !== undefined);
  const found: KindStatus[] = [];
  for (const state of states) {
    const folder = kindFolder(state.spec.name, clusters);
    const how = await stateOf(state, folder.kubeconfig, call);
    found.push({ ...kindClusterOf(folder, state), created: state.created, state: how });
  }
  return found;
}

async function stateOf(state: KindState, kubeconfig: string, call: Call): Promise<KindStatus["state"]> {
  const { spec } = state;
  const plan = kindPlan(spec, kubeconfig);
  const said = async (run: readonly string[]): Promise<string> => {
    const failed = { code: 127, stdout: "" };
    const { code, stdout } = await runCommand(plan, run, undefined, call).catch(() => failed);
    call.signal.throwIfAborted();
    return code === 0 ? stdout.trim() : "";
  };
  if (!state.whole) return "half";
  const inspect = ["container", "inspect", "--format", "{{.State.Running}}", nodeName(spec)];
  if ((await said([spec.engine, ...inspect])) !== "true") return "over";
  return (await said(kubectlIn(spec, "get", "--raw", "/readyz"))) === "ok" ? "ready" : "not ready";
}
