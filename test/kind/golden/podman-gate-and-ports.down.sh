#!/bin/sh
set -eu
export KIND_EXPERIMENTAL_PROVIDER=podman

# delete the node
kind delete cluster --name second --kubeconfig '/state/a cluster/kubeconfig'

# delete the registry, with what it keeps
! podman container inspect second-registry >/dev/null 2>&1 ||
  podman rm --force --volumes second-registry
