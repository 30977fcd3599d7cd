import { join } from "node:path";
import { type Call, lock, tryLock } from "../base/index.ts";

/** Keeps other ups and downs away: two at a time would take the same network, and the same ports. */
export async function lockClusters(clusters: string, call: Call): Promise<AsyncDisposable> {
  const path = join(clusters, ".lock");
  const held = await tryLock(path, "exclusive");
  if (held !== undefined) return held;
  call.progress?.say("waiting for another imgvol cluster up or down to end");
  return await lock(path, "exclusive", call);
}
