import type { Command } from "commander";
import { clusterUp } from "../cluster/index.ts";
import { defaultCacheFolder } from "../volume/index.ts";
import { parsePort, parsePublish, repeated } from "./flag-values.ts";
import { examples, type Run } from "./verb.ts";

interface Flags {
  readonly name: string;
  readonly bin?: string;
  readonly apiPort: string;
  readonly registryPort: string;
  readonly publish?: readonly string[];
  readonly registryHtpasswd?: string;
  readonly gateOff?: boolean;
}

export function up(command: Command, run: Run): void {
  command
    .description("start a Kubernetes of one node on this machine (Linux, root), with a registry")
    .option("--name <name>", "what it is called", "imgvol")
    .option(
      "--bin <folder>",
      "take the programs from here (default: the cache; what is missing is built with Go)",
    )
    .option("--api-port <port>", "the API server's, on 127.0.0.1; 0 for a free one", "6443")
    .option("--registry-port <port>", "the registry's, on this machine and on the node", "5001")
    .option(
      "--publish <port:nodePort>",
      "lead a port of 127.0.0.1 to one of the node; repeat for more",
      repeated,
    )
    .option("--registry-htpasswd <file>", "who may use the registry")
    .option("--gate-off", "behave like Kubernetes 1.34, which drops image volumes: for tests of that")
    .option("--json", "the answer as JSON")
    .addHelpText(
      "after",
      examples("imgvol cluster up", "imgvol cluster up --name second --api-port 0 --registry-port 5002"),
    )
    .action(
      run(async (io, flags: Flags) => {
        const cluster = await clusterUp(
          {
            name: flags.name,
            cache: defaultCacheFolder(),
            bin: flags.bin,
            apiPort: parsePort(flags.apiPort, "--api-port"),
            registryPort: parsePort(flags.registryPort, "--registry-port"),
            publish: (flags.publish ?? []).map((text) => parsePublish(text, "--publish")),
            htpasswd: flags.registryHtpasswd,
            gateOff: flags.gateOff,
          },
          io.call,
        );
        io.answer(cluster, () => `export KUBECONFIG=${cluster.kubeconfig}`);
        io.say(`Kubernetes ${cluster.kubernetes}; push to ${cluster.registry}; NodePorts at ${cluster.node}`);
        return 0;
      }),
    );
}
