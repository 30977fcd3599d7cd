import type { Call } from "../base/index.ts";
import { kindPlan, kubectlIn, nodeName } from "./kind-plan.ts";
import { runCommand } from "./kind-run.ts";
import { kindClustersFolder, kindFolder, listKindStates } from "./kind-state.ts";
import { type KindCluster, kindClusterOf } from "./kind-up.ts";
import type { ClusterStatus } from "./status.ts";

export interface KindStatus extends KindCluster {
  /** `over`: its node is gone, or does not run, or its engine does not answer. */
  readonly state: ClusterStatus["state"];
}

/** Every cluster of kind's that imgvol made, and how it is. */
export async function kindStatus(
  clusters: string = kindClustersFolder(),
  call: Call,
): Promise<readonly KindStatus[]> {
  const found: KindStatus[] = [];
  for (const state of await listKindStates(clusters)) {
    const { spec } = state;
    const folder = kindFolder(spec.name, clusters);
    const plan = kindPlan(spec, folder.kubeconfig);
    const said = async (run: readonly string[]): Promise<string> => {
      const { code, stdout } = await runCommand(plan, run, undefined, call).catch(() => ({
        code: 127,
        stdout: "",
      }));
      call.signal.throwIfAborted();
      return code === 0 ? stdout.trim() : "";
    };
    const how = async (): Promise<KindStatus["state"]> => {
      if (!state.whole) return "half";
      const inspect = ["container", "inspect", "--format", "{{.State.Running}}", nodeName(spec)];
      if ((await said([spec.engine, ...inspect])) !== "true") return "over";
      return (await said(kubectlIn(spec, "get", "--raw", "/readyz"))) === "ok" ? "ready" : "not ready";
    };
    found.push({ ...kindClusterOf(folder, state), state: await how() });
  }
  return found;
}
