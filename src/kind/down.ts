import type { Call } from "../base/index.ts";
import { type ClusterOptions, lockClusters } from "../cluster/index.ts";
import { findKind } from "./run.ts";
import { kindClustersFolder, kindFolder, readKindState } from "./state.ts";
import { removeKind } from "./up.ts";

/**
 * Ends a cluster that {@link kindUp} made, with its registry. kind's network and the images stay: other clusters use them.
 *
 * @returns whether there was one
 * @throws ClusterError `program-missing`, `cluster-failed`
 */
export async function kindDown(options: ClusterOptions, call: Call): Promise<boolean> {
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
