import { dirname } from "node:path";
import { type Call, findProgram, runProgram, shellWord } from "../base/index.ts";

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

/**
 * Says of the kubectl on the PATH that it is too old for a cluster: it works with an API server one minor version newer, and no
 * more. https://kubernetes.io/releases/version-skew-policy/#kubectl
 */
export async function tellOldKubectl(
  { kubernetes, kubectl }: { readonly kubernetes: string; readonly kubectl: string },
  call: Call,
): Promise<void> {
  const found = await findProgram("kubectl");
  if (found === undefined) return;
  // Whatever has that name may say nothing, or not end.
  const patient = { ...call, signal: AbortSignal.any([call.signal, AbortSignal.timeout(5000)]) };
  const ran = await runProgram(found, ["version", "--client", "-o", "json"], {}, patient).catch(
    () => undefined,
  );
  call.signal.throwIfAborted();
  const minor = /"gitVersion": *"v1\.(\d+)\./.exec(ran?.stdout ?? "")?.[1];
  if (minor === undefined || Number(minor) + 1 >= Number(kubernetes.split(".")[1])) return;
  call.progress?.say(`${found} is of Kubernetes 1.${minor}, too old for this cluster: take ${kubectl}`);
}
