import { registryHosting } from "../cluster/index.ts";
import { hostsFolder, hostsToml, json } from "./files.ts";
import { DEFAULT_KUBERNETES, imageVolumeGate, kubernetesVersion } from "./image.ts";
import { REGISTRY_IMAGE } from "./plan.ts";

export interface RecipeOptions {
  readonly name: string;
  /** Default: the minor version of a native cluster. */
  readonly kubernetes?: string | undefined;
  readonly registryPort: number;
}

/** Tools whose clusters mount image volumes as well, and that imgvol does not run. */
export const recipes = ["minikube", "k3d"] as const;
export type Recipe = (typeof recipes)[number];

/** A script that makes a cluster with a registry at `localhost:PORT`, for people to read. @throws ClusterError `version-unsupported` */
export function recipe(tool: Recipe, options: RecipeOptions): string {
  const kubernetes = kubernetesVersion(options.kubernetes ?? DEFAULT_KUBERNETES);
  const gate = imageVolumeGate(kubernetes, false) === true;
  return `#!/bin/sh\nset -eu\n${RECIPES[tool](options, kubernetes.version, gate)}`;
}

/** What ends a cluster that a recipe made. */
export function recipeEnd(tool: Recipe, name: string): string {
  return ENDS[tool](name);
}

const ENDS: Readonly<Record<Recipe, (name: string) => string>> = {
  minikube: (name) => `minikube delete --profile ${name}; docker rm --force --volumes ${name}-registry`,
  k3d: (name) => `k3d cluster delete ${name}; k3d registry delete k3d-${name}-registry`,
};

const RECIPES: Readonly<Record<Recipe, (options: RecipeOptions, version: string, gate: boolean) => string>> =
  {
    minikube: ({ name, registryPort }, version, gate) => {
      const flags = gate ? " \\\n  --feature-gates ImageVolume=true" : "";
      const registry = `${name}-registry`;
      return `
# Its driver docker or podman; containerd must be 2.1 or later:
#   minikube ssh --profile ${name} -- containerd --version
minikube start --profile ${name} --kubernetes-version v${version} --container-runtime containerd${flags}

# A registry on the network of the node
docker run --detach --name ${registry} --restart unless-stopped --network ${name} \\
  --publish 127.0.0.1:${registryPort}:5000 ${REGISTRY_IMAGE}

# localhost is the node itself to containerd: lead it to the registry
cat >hosts.toml <<'EOF'
${hostsToml(`http://${registry}:5000`)}EOF
minikube cp --profile ${name} hosts.toml ${hostsFolder(registryPort)}/hosts.toml
${hosting(`minikube kubectl --profile ${name} --`, registryPort)}
# To end it: ${recipeEnd("minikube", name)}
`;
    },
    k3d: ({ name, registryPort }, version, gate) => {
      const component = (which: string): string =>
        ` \\\n  --k3s-arg '--${which}-arg=feature-gates=ImageVolume=true@server:*'`;
      const flags = gate ? `${component("kube-apiserver")}${component("kubelet")}` : "";
      const registry = `${name}-registry`;
      return `
# Named k3d-${registry} on the network of the node
k3d registry create ${registry} --port 127.0.0.1:${registryPort}

# localhost is the node itself to containerd: lead it to the registry
cat >k3d-registries.yaml <<'EOF'
mirrors:
  "localhost:${registryPort}":
    endpoint: ["http://k3d-${registry}:5000"]
EOF
k3d cluster create ${name} --image rancher/k3s:v${version}-k3s1 \\
  --registry-use k3d-${registry}:${registryPort} --registry-config k3d-registries.yaml${flags}
${hosting("kubectl", registryPort)}
# To end it: ${recipeEnd("k3d", name)}
`;
    },
  };

function hosting(kubectl: string, registryPort: number): string {
  return `
# Where tools look for the registry (KEP-1755)
${kubectl} apply -f - <<'EOF'
${json(registryHosting(registryPort))}EOF
`;
}
