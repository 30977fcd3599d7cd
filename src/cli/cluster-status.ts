import type { Command } from "commander";
import { clusterStatus } from "../cluster/index.ts";
import { table } from "./io.ts";
import { examples, type Run } from "./verb.ts";

export function status(command: Command, run: Run): void {
  command
    .description("the clusters of this machine, and how they are")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cluster status", "imgvol cluster status --json"))
    .action(
      run(async (io) => {
        const clusters = await clusterStatus(undefined, io.call);
        io.answer({ clusters }, () =>
          table(
            ["NAME", "STATE", "KUBERNETES", "REGISTRY", "KUBECONFIG"],
            clusters.map((c) => [c.name, c.state, c.kubernetes, c.registry, c.kubeconfig]),
          ),
        );
        return clusters.every((cluster) => cluster.state === "ready") ? 0 : 1;
      }),
    );
}
