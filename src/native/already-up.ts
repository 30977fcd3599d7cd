import { dirname, resolve } from "node:path";
import { type Call, shellWord } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import { conditionOf } from "./condition.ts";
import type { NativeOptions } from "./options.ts";
import { type ClusterFolder, readState } from "./state.ts";
import { type ClusterState, portOf } from "./state-format.ts";

/**
 * The cluster that is up already, where it is ready and what is asked for; undefined where there is none, `half` where one is on
 * its way, or was left on it.
 *
 * @throws ClusterError `cluster-up` where it is over, not ready, or another than is asked for
 */
export async function alreadyUp(
  folder: ClusterFolder,
  options: NativeOptions,
  call: Call,
): Promise<ClusterState | "half" | undefined> {
  const state = await readState(folder);
  if (state === undefined) return undefined;
  const condition = await conditionOf(folder, state, call);
  if (condition === "half") return "half";
  if (condition !== "ready") throw refusal(state.name, `and it is ${condition}`);
  const others = differences(state, options);
  if (others.length > 0) {
    const use = `export KUBECONFIG=${shellWord(folder.kubeconfig)}, or `;
    throw refusal(state.name, `with another ${others.join(", ")}`, use);
  }
  call.progress?.say(`the cluster ${state.name} is up already`);
  return state;
}

/** @param use what can be done with it, beside ending it */
export function refusal(name: string, how: string, use = ""): ClusterError {
  return new ClusterError("cluster-up", `there is a cluster ${name} already, ${how}`, {
    hint: `${use}imgvol cluster down --name ${name}`,
  });
}

/** The flags that ask for something else than there is. An open port is the one that was found then. */
function differences(state: ClusterState, options: NativeOptions): readonly string[] {
  const isOther = (wanted: number, there: number): boolean => wanted !== 0 && wanted !== there;
  const published = state.ports.filter(({ what }) => what === "published");
  const wanted = options.publish ?? [];
  const isThere = (one: { readonly host: number; readonly node: number }): boolean =>
    published.some(({ host, node }) => node === one.node && !isOther(one.host, host));
  const htpasswd = options.htpasswd === undefined ? undefined : resolve(options.htpasswd);
  const bin = options.bin === undefined ? undefined : resolve(options.bin);
  const found: Readonly<Record<string, boolean>> = {
    "--api-port": isOther(options.apiPort ?? 6443, portOf(state, "api").host),
    "--registry-port": isOther(options.registryPort ?? 5001, portOf(state, "registry").host),
    "--publish": wanted.length !== published.length || !wanted.every(isThere),
    "--gate-off": (options.gateOff ?? false) !== state.gateOff,
    "--registry-htpasswd": htpasswd !== state.htpasswd,
    "--bin": bin !== undefined && bin !== dirname(state.programs["kubelet"] ?? ""),
  };
  return Object.keys(found).filter((flag) => found[flag]);
}
