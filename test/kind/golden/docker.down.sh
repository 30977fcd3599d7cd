#!/bin/sh
set -eu
export KIND_EXPERIMENTAL_PROVIDER=docker

# delete the node
kind delete cluster --name imgvol --kubeconfig '/state/a cluster/kubeconfig'

# delete the registry, with what it keeps
! docker container inspect imgvol-registry >/dev/null 2>&1 ||
  docker rm --force --volumes imgvol-registry
