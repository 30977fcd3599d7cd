import { dirname } from "node:path";
import { findProgram, shellWord } from "../base/index.ts";

/**
 * What a POSIX shell is told so that `kubectl` speaks with a cluster; where this machine has no kubectl, the one that the cluster
 * was made with is put on its PATH, behind all that is there.
 */
export async function shellEnvironment({
  kubeconfig,
  kubectl,
}: {
  readonly kubeconfig: string;
  readonly kubectl?: string;
}): Promise<readonly string[]> {
  const lines = [`export KUBECONFIG=${shellWord(kubeconfig)}`];
  if (kubectl === undefined || (await findProgram("kubectl")) !== undefined) return lines;
  return [...lines, `export PATH="$PATH":${shellWord(dirname(kubectl))}`];
}
