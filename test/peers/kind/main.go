// Reads a cluster's config from stdin as `kind create cluster --config -` does, by kind's own strict parser and its checks,
// and prints what kind makes of it: its nodes, and where the feature gates go in the config of kubeadm. Exit 1 where kind
// would refuse it. It is built under a path of kind's, since the parser is internal to that.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/cluster/internal/kubeadm"
	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

type mapping struct {
	Container int32  `json:"container"`
	Host      int32  `json:"host"`
	Address   string `json:"address"`
}

type node struct {
	Role  string    `json:"role"`
	Image string    `json:"image"`
	Ports []mapping `json:"ports"`
}

type answer struct {
	Name    string `json:"name"`
	ApiPort int32  `json:"apiPort"`
	Address string `json:"address"`
	Nodes   []node `json:"nodes"`
	// The lines of kubeadm's config that name a gate.
	Gates []string `json:"gates"`
	// The image that this release of kind takes by itself.
	Default string `json:"default"`
}

func main() {
	raw, err := io.ReadAll(os.Stdin)
	check(err)
	config, err := encoding.Parse(raw)
	check(err)
	check(config.Validate())
	out := answer{
		Name:    config.Name,
		ApiPort: config.Networking.APIServerPort,
		Address: config.Networking.APIServerAddress,
		Nodes:   []node{},
		Gates:   []string{},
		Default: defaults.Image,
	}
	for _, n := range config.Nodes {
		made := node{Role: string(n.Role), Image: n.Image, Ports: []mapping{}}
		for _, p := range n.ExtraPortMappings {
			made.Ports = append(made.Ports, mapping{p.ContainerPort, p.HostPort, p.ListenAddress})
		}
		out.Nodes = append(out.Nodes, made)
	}
	text, err := kubeadm.Config(kubeadm.ConfigData{
		ClusterName:       config.Name,
		KubernetesVersion: os.Args[1],
		NodeName:          config.Name + "-control-plane",
		NodeProvider:      "docker",
		ControlPlane:      true,
		FeatureGates:      config.FeatureGates,
	})
	check(err)
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "ImageVolume") {
			out.Gates = append(out.Gates, strings.TrimSpace(line))
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
