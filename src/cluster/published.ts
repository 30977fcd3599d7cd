import type { Call } from "../base/index.ts";

/** A port of this machine, on loopback, that leads to one of the cluster's node. */
export interface Published {
  readonly host: number;
  readonly node: number;
  readonly what: "api" | "registry" | "published";
}

/** https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport */
const [FIRST, LAST] = [30_000, 32_767];

/**
 * Says of published ports which can be no Service's NodePort: as a rule that is a container's port, given by mistake. They are
 * taken all the same, since a pod in the node's own network (`hostNetwork`, with kind also `hostPort`) can listen there.
 */
export function tellOthers(publish: readonly { readonly node: number }[], call: Call): void {
  for (const { node } of publish) {
    if (node >= FIRST && node <= LAST) continue;
    const what = `--publish: port ${node} of the node is no NodePort, which are ${FIRST} to ${LAST}`;
    call.progress?.say(`${what}: only a pod with hostNetwork answers there`);
  }
}
