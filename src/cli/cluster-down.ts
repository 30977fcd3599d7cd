import type { Command } from "commander";
import { clusterDown } from "../cluster/index.ts";
import { examples, type Run } from "./verb.ts";

export function down(command: Command, run: Run): void {
  command
    .description("end a cluster, however far it came, and take away all that it made")
    .option("--name <name>", "which one", "imgvol")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cluster down", "imgvol cluster down --name second"))
    .action(
      run(async (io, flags: { readonly name: string }) => {
        const ended = await clusterDown({ name: flags.name }, io.call);
        io.answer({ name: flags.name, ended }, () =>
          ended ? `ended ${flags.name}` : `there is no cluster ${flags.name}`,
        );
        return 0;
      }),
    );
}
