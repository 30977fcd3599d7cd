#!/bin/sh
set -eu
export KIND_EXPERIMENTAL_PROVIDER=nerdctl

# delete the node
kind delete cluster --name imgvol --kubeconfig '/state/a cluster/kubeconfig'

# delete the registry, with what it keeps
! nerdctl container inspect imgvol-registry >/dev/null 2>&1 ||
  nerdctl rm --force --volumes imgvol-registry
