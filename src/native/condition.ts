import { type Call, exists } from "../base/index.ts";
import type { Condition } from "../cluster/index.ts";
import { isReady, openApi } from "./api.ts";
import { NODE } from "./pki.ts";
import { processesOf } from "./processes.ts";
import type { ClusterFolder } from "./state.ts";
import { type ClusterState, portOf } from "./state-format.ts";

/** How a cluster is, found by asking. `over`: its processes ended. */
export async function conditionOf(
  folder: ClusterFolder,
  state: ClusterState,
  call: Call,
): Promise<Condition> {
  if ((await processesOf(state.id)).length === 0) return "over";
  if (!(await exists(folder.ready))) return "half";
  using api = await openApi("127.0.0.1", portOf(state, "api").host, folder.pki);
  const node = await api.get(`/api/v1/nodes/${NODE}`, call);
  return node !== undefined && isReady(node) ? "ready" : "not ready";
}
