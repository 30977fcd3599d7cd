import type { Call } from "../base/index.ts";
import { type Condition, type StatusOptions, saidTo } from "../cluster/index.ts";
import { kindPlan, kubectlIn, nodeName } from "./plan.ts";
import { runCommand } from "./run.ts";
import { type KindState, kindClustersFolder, kindFolder, listKindStates, readKindState } from "./state.ts";
import { type KindCluster, kindClusterOf } from "./up.ts";

export interface KindStatus extends KindCluster {
  readonly created: string;
  /** `over`: its node is gone, or does not run, or its engine does not answer. */
  readonly state: Condition;
}

/** As `nativeStatus`, of the clusters of kind's that imgvol made. @throws ClusterError `name-invalid`, `cluster-unknown` */
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

async function stateOf(state: KindState, kubeconfig: string, call: Call): Promise<Condition> {
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
