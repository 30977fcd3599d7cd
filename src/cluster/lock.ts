import { join } from "node:path";
import { type Call, passingLock, tryLock } from "../base/index.ts";

/** Keeps other ups and downs of one folder's clusters away, for as long as one takes. */
export async function lockClusters(clusters: string, call: Call): Promise<AsyncDisposable> {
  const path = join(clusters, ".lock");
  const free = await tryLock(path, "exclusive");
  if (free === undefined) call.progress?.say("waiting for another imgvol cluster up or down to end");
  await free?.[Symbol.asyncDispose]();
  return await passingLock(path, call);
}
