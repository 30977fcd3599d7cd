import type { Call } from "../base/index.ts";
import type { DownOptions } from "./down.ts";
import { findKind } from "./kind-run.ts";
import { kindClustersFolder, kindFolder, readKindState } from "./kind-state.ts";
import { removeKind } from "./kind-up.ts";
import { lockClusters } from "./locks.ts";

/**
 * Ends a cluster that {@link kindUp} made, with its registry. kind's network and the images stay: other clusters use them.
 *
 * @returns whether there was one
 * @throws ClusterError `program-missing`, `cluster-failed`
 */
export async function kindDown(options: DownOptions, call: Call): Promise<boolean> {
  const clusters = options.clusters ?? kindClustersFolder();
  const folder = kindFolder(options.name ?? "imgvol", clusters);
  if ((await readKindState(folder)) === undefined) return false;
  await findKind();
  await using _held = await lockClusters(clusters, call);
  const state = await readKindState(folder);
  if (state === undefined) return false;
  await removeKind(folder, state, call);
  return true;
}
