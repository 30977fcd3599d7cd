import type { Published } from "../cluster/index.ts";

/**
 * What there is of a native cluster, written down before anything of it is made, so that `down` can take it away however `up`
 * ended.
 */
export interface ClusterState {
  readonly name: string;
  /** Stands in the environment of every process of the cluster's. */
  readonly id: string;
  /** The folder that it was written to, without links: what was copied to another place is not a cluster. */
  readonly folder: string;
  readonly kubernetes: string;
  readonly containerd: string;
  readonly created: string;
  /** The number of the node's network, as of `addressesOf`. */
  readonly network: number;
  readonly ports: readonly Published[];
  /** Emulates Kubernetes 1.34, whose gate ImageVolume is off. */
  readonly gateOff: boolean;
  /** Programs by name, and the folder of the CNI plugins. */
  readonly programs: Readonly<Record<string, string>>;
  readonly cni: string;
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string;
}

/** Where the API server or the registry is: its port of this machine, and its port of the node. */
export function portOf(
  { ports }: Pick<ClusterState, "ports">,
  what: "api" | "registry",
): Pick<Published, "host" | "node"> {
  return ports.find((port) => port.what === what) ?? { host: 0, node: 0 };
}

/** Whether a file's content is a state. What was written by a version before this one is not. */
export function isState(value: unknown): value is ClusterState {
  if (!isRecord(value)) return false;
  const { id, network, ports, gateOff, programs, htpasswd } = value;
  const texts = ["name", "folder", "kubernetes", "containerd", "created", "cni"];
  return (
    texts.every((field) => typeof value[field] === "string") &&
    typeof id === "string" &&
    /^[0-9a-f-]{36}$/.test(id) &&
    Number.isSafeInteger(network) &&
    Array.isArray(ports) &&
    ports.every(isPublished) &&
    typeof gateOff === "boolean" &&
    (htpasswd === undefined || typeof htpasswd === "string") &&
    isTexts(programs)
  );
}

function isPublished(value: unknown): value is Published {
  return isRecord(value) && Number.isInteger(value["host"]) && Number.isInteger(value["node"]);
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isRecord(value) && Object.values(value).every((text) => typeof text === "string");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
