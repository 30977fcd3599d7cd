#!/bin/sh
set -eu
export KIND_EXPERIMENTAL_PROVIDER=nerdctl

# create the node of Kubernetes 1.35.8
nerdctl container inspect imgvol-control-plane >/dev/null 2>&1 ||
  kind create cluster --name imgvol --kubeconfig '/state/a cluster/kubeconfig' --config - <<'EOF'
{
  "kind": "Cluster",
  "apiVersion": "kind.x-k8s.io/v1alpha4",
  "name": "imgvol",
  "networking": {
    "apiServerAddress": "127.0.0.1",
    "apiServerPort": 6443
  },
  "featureGates": {
    "ImageVolume": false
  },
  "nodes": [
    {
      "role": "control-plane",
      "image": "kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0"
    }
  ]
}
EOF

# start the registry
nerdctl container inspect imgvol-registry >/dev/null 2>&1 ||
  nerdctl run --detach --name imgvol-registry --label imgvol.cluster=imgvol --restart unless-stopped --network kind --publish 127.0.0.1:5001:5000 --env REGISTRY_STORAGE_DELETE_ENABLED=true --volume '/home/a user/it'\''s here/htpasswd:/auth/htpasswd:ro' --env REGISTRY_AUTH=htpasswd --env REGISTRY_AUTH_HTPASSWD_REALM=imgvol --env REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd docker.io/library/registry:3

# start what is stopped
nerdctl start imgvol-control-plane imgvol-registry

# tell containerd where the registry is
nerdctl exec --interactive imgvol-control-plane sh -c 'mkdir -p "$1" && cat >"$1/hosts.toml"' sh /etc/containerd/certs.d/localhost:5001 <<'EOF'
server = "http://imgvol-registry:5000"
EOF

# wait for the node
nerdctl exec imgvol-control-plane timeout 180 sh -c 'until kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready node --all --timeout=170s; do sleep 1; done'

# tell the cluster where the registry is
nerdctl exec --interactive imgvol-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f - <<'EOF'
{
  "apiVersion": "v1",
  "kind": "ConfigMap",
  "metadata": {
    "name": "local-registry-hosting",
    "namespace": "kube-public"
  },
  "data": {
    "localRegistryHosting.v1": "host: \"localhost:5001\"\n"
  }
}
EOF
