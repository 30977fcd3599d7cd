/** The addresses of a cluster: its node's network is a /24, of which this machine has the first. */
export interface Addresses {
  readonly host: string;
  readonly node: string;
  readonly pods: string;
  readonly services: string;
  /** The first of the Services: the API server's own. */
  readonly api: string;
  readonly dns: string;
}

/** How many networks there are to choose from. */
export const NETWORKS = 512;

/**
 * 10.240.N.0/24; from 256 on 198.18.(N-256).0/24, of the range for tests between networks (RFC 2544), for machines whose own
 * network, or whose VPN, has all of 10.240.
 *
 * @param network N
 */
export function addressesOf(network: number): Addresses {
  const above = network < 256 ? `10.240.${network}` : `198.18.${network - 256}`;
  return {
    host: `${above}.1`,
    node: `${above}.2`,
    // In network namespaces of the cluster's own: every cluster may use the same.
    pods: "10.244.0.0/24",
    services: "10.96.0.0/16",
    api: "10.96.0.1",
    dns: "10.96.0.10",
  };
}

/** The pair of interfaces that joins the node with this machine; a name has at most 15 bytes. */
export function linkNames({ id }: { readonly id: string }): { readonly host: string; readonly node: string } {
  return { host: `imgvol-${id.slice(0, 8)}`, node: "uplink" };
}
