/** What kind, its node and the API server are told. JSON where YAML is wanted: it is YAML, and needs no care for quotes. */

/** A cluster that kind makes; all is decided. */
export interface KindSpec {
  readonly name: string;
  readonly engine: string;
  /** Of Kubernetes. */
  readonly version: string;
  readonly image: string;
  /** How the gate ImageVolume is set; absent: as the version has it. */
  readonly gate?: boolean;
  readonly apiPort: number;
  readonly registryPort: number;
  /** Ports of 127.0.0.1 that lead to ports of the node. */
  readonly publish: readonly { readonly host: number; readonly node: number }[];
  /** An htpasswd file that the registry asks for. */
  readonly htpasswd?: string;
  /** The dashboard runs in it, and its page is published. */
  readonly dashboard?: true;
}

/** https://kind.sigs.k8s.io/docs/user/configuration/ */
export function kindConfig(spec: KindSpec): string {
  const ports = spec.publish.map(({ host, node }) => ({
    containerPort: node,
    hostPort: host,
    listenAddress: "127.0.0.1",
    protocol: "TCP",
  }));
  return json({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    name: spec.name,
    networking: { apiServerAddress: "127.0.0.1", apiServerPort: spec.apiPort },
    ...(spec.gate === undefined ? {} : { featureGates: { ImageVolume: spec.gate } }),
    nodes: [
      {
        role: "control-plane",
        image: spec.image,
        ...(ports.length === 0 ? {} : { extraPortMappings: ports }),
      },
    ],
  });
}

/** Where containerd looks for the hosts.toml of a registry. */
export function hostsFolder(registryPort: number): string {
  return `/etc/containerd/certs.d/localhost:${registryPort}`;
}

/**
 * `localhost` is the node itself to containerd: this leads it to the registry instead.
 * https://github.com/containerd/containerd/blob/main/docs/hosts.md
 *
 * @param server the registry's URL, as the node reaches it
 */
export function hostsToml(server: string): string {
  return `server = "${server}"\n`;
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
