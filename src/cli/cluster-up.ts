import type { Command } from "commander";
import { freePort, type Published, shellEnvironment, tellOldKubectl } from "../cluster/index.ts";
import { imgvolSources } from "../demo/index.ts";
import { kindUp, kindUpScript, type Recipe, recipe } from "../kind/index.ts";
import { nativeUp } from "../native/index.ts";
import { defaultCacheFolder } from "../volume/index.ts";
import { addUpFlags, sharedOptions, type UpFlags } from "./cluster-flags.ts";
import { providerOf } from "./cluster-provider.ts";
import type { Io } from "./io.ts";
import { examples, type Run } from "./verb.ts";

export function up(command: Command, run: Run): void {
  command
    .description(
      "start a Kubernetes of one node, with a registry: native, of this machine's own processes (Linux, root), or by kind, with Docker, podman or nerdctl",
    )
    .addHelpText("after", examples("imgvol cluster up", "imgvol cluster up --provider kind --dry-run"));
  addUpFlags(command);
  command.action(
    run(async (io, flags: UpFlags) => {
      const provider = providerOf(flags, io);
      if (provider === "native") await upNative(flags, io);
      else if (provider === "kind") await upKind(flags, io);
      else await printRecipe(provider, flags, io);
      return 0;
    }),
  );
}

async function upNative(flags: UpFlags, io: Io): Promise<void> {
  const options = { ...sharedOptions(flags), cache: defaultCacheFolder(), bin: flags.bin };
  const cluster = await nativeUp(options, io.call);
  const lines = await shellEnvironment(cluster);
  io.answer({ provider: "native", ...cluster }, () => lines.join("\n"));
  io.say(`Kubernetes ${cluster.kubernetes}; push to ${cluster.registry}; NodePorts at ${cluster.node}`);
  sayPublished(cluster.ports, io);
  await tellOldKubectl(cluster, io.call);
}

async function upKind(flags: UpFlags, io: Io): Promise<void> {
  const { kubernetes, nodeImage, dryRun } = flags;
  const dashboard = flags.dashboard ? await imgvolSources() : undefined;
  const options = { ...sharedOptions(flags), kubernetes, nodeImage, dashboard };
  if (dryRun) {
    const script = await kindUpScript(options, io.call);
    return io.answer({ provider: "kind", script }, () => script.trimEnd());
  }
  const cluster = await kindUp(options, io.call);
  const lines = await shellEnvironment(cluster);
  io.answer({ provider: "kind", ...cluster }, () => lines.join("\n"));
  io.say(`Kubernetes ${cluster.kubernetes}, containerd ${cluster.containerd}; push to ${cluster.registry}`);
  sayPublished(cluster.ports, io);
  if (cluster.dashboard !== undefined) io.say(`dashboard  ${cluster.dashboard}`);
}

/** Where a port was left open, this is how it becomes known. */
function sayPublished(ports: readonly Published[], io: Io): void {
  for (const { host, node, what } of ports)
    if (what === "published") io.say(`127.0.0.1:${host} leads to port ${node} of the node`);
}

async function printRecipe(tool: Recipe, flags: UpFlags, io: Io): Promise<void> {
  const { name, registryPort: wanted } = sharedOptions(flags);
  const registryPort = wanted || (await freePort(0, "--registry-port", new Map()));
  const script = recipe(tool, { name: name ?? "imgvol", registryPort, kubernetes: flags.kubernetes });
  io.say(`imgvol does not run ${tool}: this is how it is done`);
  io.answer({ provider: tool, script }, () => script.trimEnd());
}
