import type { Command } from "commander";
import { kindDown } from "../kind/index.ts";
import { nativeDown } from "../native/index.ts";
import { providersOf } from "./cluster-provider.ts";
import { flagInvalid } from "./flag-values.ts";
import { examples, type Run } from "./verb.ts";

interface Flags {
  readonly name: string;
  readonly provider?: string;
}

export function down(command: Command, run: Run): void {
  command
    .description("end a cluster, however far it came, and take away all that it made")
    .option("--name <name>", "which one", "imgvol")
    .option("--provider <name>", "native or kind (default: the one that has a cluster of that name)")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cluster down", "imgvol cluster down --name second"))
    .action(
      run(async (io, { name, provider }: Flags) => {
        const found = await providersOf(name);
        const chosen = provider ?? found[0];
        if (provider === undefined && found.length > 1) {
          throw flagInvalid("--provider", "", `clear which ${name} is meant: ${found.join(" or ")}`);
        }
        if (provider !== undefined && provider !== "native" && provider !== "kind") {
          throw flagInvalid("--provider", provider, "one of native, kind");
        }
        const ended = await (chosen === "kind" ? kindDown : nativeDown)({ name }, io.call);
        io.answer({ name, ended }, () => (ended ? `ended ${name}` : `there is no cluster ${name}`));
        return 0;
      }),
    );
}
