import type { Command } from "commander";
import { clusterStatus, kindStatus } from "../cluster/index.ts";
import { table } from "./io.ts";
import { examples, type Run } from "./verb.ts";

export function status(command: Command, run: Run): void {
  command
    .description("the clusters that imgvol made here, and how they are")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cluster status", "imgvol cluster status --json"))
    .action(
      run(async (io) => {
        const native = await clusterStatus(undefined, io.call);
        const kind = await kindStatus(undefined, io.call);
        const clusters = [
          ...native.map((cluster) => ({ provider: "native", ...cluster })),
          ...kind.map((cluster) => ({ provider: "kind", ...cluster })),
        ];
        io.answer({ clusters }, () =>
          table(
            ["NAME", "PROVIDER", "STATE", "KUBERNETES", "REGISTRY", "KUBECONFIG"],
            clusters.map((c) => [c.name, c.provider, c.state, c.kubernetes, c.registry, c.kubeconfig]),
          ),
        );
        return clusters.every((cluster) => cluster.state === "ready") ? 0 : 1;
      }),
    );
}
