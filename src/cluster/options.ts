/** Which cluster of a provider's is meant. */
export interface ClusterOptions {
  /** Default `imgvol`. */
  readonly name?: string | undefined;
  /** Where the provider's clusters are kept. */
  readonly clusters?: string | undefined;
}

/** What every provider is told of a cluster that it is to make. */
export interface UpOptions extends ClusterOptions {
  /** The API server's, of this machine; 0 takes any free one. Default 6443. */
  readonly apiPort?: number | undefined;
  /** Of this machine and of references on the node, so that one means the same on both. Default 5001. */
  readonly registryPort?: number | undefined;
  /** More ports of this machine that lead to ports of the node: NodePorts, say. */
  readonly publish?: readonly { readonly host: number; readonly node: number }[] | undefined;
  /** The API server drops image volumes, as before Kubernetes 1.35: for tests of that. */
  readonly gateOff?: boolean | undefined;
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string | undefined;
}
