import type { BinariesOptions } from "./binaries.ts";

export interface UpOptions extends BinariesOptions {
  /** Default `imgvol`. */
  readonly name?: string | undefined;
  /** Of this machine; 0 takes any free one. Default 6443. */
  readonly apiPort?: number | undefined;
  /** Of this machine and of the node, so that a reference means the same on both. Default 5001. */
  readonly registryPort?: number | undefined;
  /** More ports of this machine that lead to ports of the node: NodePorts, say. */
  readonly publish?: readonly { readonly host: number; readonly node: number }[] | undefined;
  /** The API server behaves like Kubernetes 1.34, and drops image volumes: for tests of that. */
  readonly gateOff?: boolean | undefined;
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string | undefined;
  /** Where clusters are kept. */
  readonly clusters?: string | undefined;
}
