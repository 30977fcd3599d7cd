/** The addresses of a cluster: its node's network is 10.240.N.0/24, of which this machine has the first. */
export interface Addresses {
  readonly host: string;
  readonly node: string;
  readonly pods: string;
  readonly services: string;
  /** The first of the Services: the API server's own. */
  readonly api: string;
  readonly dns: string;
}

/** @param network N */
export function addressesOf(network: number): Addresses {
  return {
    host: `10.240.${network}.1`,
    node: `10.240.${network}.2`,
    // In network namespaces of the cluster's own: every cluster may use the same.
    pods: "10.244.0.0/24",
    services: "10.96.0.0/16",
    api: "10.96.0.1",
    dns: "10.96.0.10",
  };
}

/** The pair of interfaces that joins the node with this machine; a name has at most 15 bytes. */
export function linkNames(network: number): { readonly host: string; readonly node: string } {
  return { host: `imgvol${network}`, node: "uplink" };
}
