import type { Command } from "commander";
import type { UpOptions } from "../cluster/index.ts";
import { DEFAULT_KUBERNETES } from "../kind/index.ts";
import { parsePort, parsePublish, repeated } from "./flag-values.ts";

/** What `cluster up` is told. */
export interface UpFlags {
  readonly provider?: string;
  readonly name: string;
  readonly apiPort: string;
  readonly registryPort: string;
  readonly publish?: readonly string[];
  readonly registryHtpasswd?: string;
  readonly gateOff?: boolean;
  readonly bin?: string;
  readonly kubernetes?: string;
  readonly nodeImage?: string;
  readonly dashboard?: boolean;
  readonly dryRun?: boolean;
}

export function addUpFlags(command: Command): void {
  command
    .option(
      "--provider <name>",
      "native, kind, or a recipe to read: minikube, k3d (default: native, or kind where it cannot be)",
    )
    .option("--name <name>", "what it is called", "imgvol")
    .option("--api-port <port>", "the API server's, on 127.0.0.1; 0 for a free one", "6443")
    .option("--registry-port <port>", "the registry's, on this machine and on the node", "5001")
    .option(
      "--publish <port:nodePort>",
      "lead a port of 127.0.0.1 to one of the node; repeat for more",
      repeated,
    )
    .option("--registry-htpasswd <file>", "who may use the registry")
    .option("--gate-off", "the API server drops image volumes, as before 1.35: for tests of that")
    .optionsGroup("native:")
    .option(
      "--bin <folder>",
      "take the programs from here (default: the cache; what is missing is built with Go)",
    )
    .optionsGroup("kind:")
    .option("--kubernetes <version>", `1.31 or later (default: ${DEFAULT_KUBERNETES})`)
    .option("--node-image <reference>", "instead of kind's own for that version")
    .option("--dashboard", "run the dashboard in the cluster: OTLP at dashboard.dashboard, its page at 18888")
    .option("--dry-run", "print the commands and files as a script, and do nothing")
    .optionsGroup("Options:")
    .option("--json", "the answer as JSON");
}

/** What both providers are told. @throws ImgvolError `flag-invalid` */
export function sharedOptions(flags: UpFlags): Omit<UpOptions, "clusters"> {
  return {
    name: flags.name,
    apiPort: parsePort(flags.apiPort, "--api-port"),
    registryPort: parsePort(flags.registryPort, "--registry-port"),
    publish: (flags.publish ?? []).map((text) => parsePublish(text, "--publish")),
    htpasswd: flags.registryHtpasswd,
    gateOff: flags.gateOff,
  };
}
