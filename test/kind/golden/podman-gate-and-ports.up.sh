#!/bin/sh
set -eu
export KIND_EXPERIMENTAL_PROVIDER=podman

# create the node of Kubernetes 1.33.12
podman container inspect second-control-plane >/dev/null 2>&1 ||
  kind create cluster --name second --kubeconfig '/state/a cluster/kubeconfig' --config - <<'EOF'
{
  "kind": "Cluster",
  "apiVersion": "kind.x-k8s.io/v1alpha4",
  "name": "second",
  "networking": {
    "apiServerAddress": "127.0.0.1",
    "apiServerPort": 6443
  },
  "featureGates": {
    "ImageVolume": true
  },
  "nodes": [
    {
      "role": "control-plane",
      "image": "localhost/imgvol-node:1.33",
      "extraPortMappings": [
        {
          "containerPort": 30080,
          "hostPort": 8080,
          "listenAddress": "127.0.0.1",
          "protocol": "TCP"
        },
        {
          "containerPort": 31888,
          "hostPort": 18888,
          "listenAddress": "127.0.0.1",
          "protocol": "TCP"
        }
      ]
    }
  ]
}
EOF

# start the registry
podman container inspect second-registry >/dev/null 2>&1 ||
  podman run --detach --name second-registry --label imgvol.cluster=second --restart unless-stopped --network kind --publish 127.0.0.1:5002:5000 --env REGISTRY_STORAGE_DELETE_ENABLED=true docker.io/library/registry:3

# start what is stopped
podman start second-control-plane second-registry

# tell containerd where the registry is
podman exec --interactive second-control-plane sh -c 'mkdir -p "$1" && cat >"$1/hosts.toml"' sh /etc/containerd/certs.d/localhost:5002 <<'EOF'
server = "http://second-registry:5000"
EOF

# wait for the node
podman exec second-control-plane timeout 180 sh -c 'until kubectl --kubeconfig /etc/kubernetes/admin.conf wait --for=condition=Ready node --all --timeout=170s; do sleep 1; done'

# tell the cluster where the registry is
podman exec --interactive second-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f - <<'EOF'
{
  "apiVersion": "v1",
  "kind": "ConfigMap",
  "metadata": {
    "name": "local-registry-hosting",
    "namespace": "kube-public"
  },
  "data": {
    "localRegistryHosting.v1": "host: \"localhost:5002\"\n"
  }
}
EOF
