/** The ConfigMap by which Tilt, Skaffold and others find a cluster's registry: KEP-1755. */
export function registryHosting(registryPort: number): unknown {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "local-registry-hosting", namespace: "kube-public" },
    data: { "localRegistryHosting.v1": `host: "localhost:${registryPort}"\n` },
  };
}
