import type { Command } from "commander";
import { exists, ImgvolError } from "../base/index.ts";
import { kindDown, recipeEnd, recipes } from "../kind/index.ts";
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
        const tool = recipes.find((recipe) => recipe === provider);
        if (tool !== undefined) {
          throw new ImgvolError(
            "flag-invalid",
            `imgvol does not run ${tool}, and does not end what it made`,
            {
              hint: recipeEnd(tool, name),
              wrongUse: true,
            },
          );
        }
        if (provider !== undefined && provider !== "native" && provider !== "kind") {
          throw flagInvalid("--provider", provider, "one of native, kind");
        }
        const { KUBECONFIG: kubeconfig = "" } = process.env;
        const before = await isThere(kubeconfig);
        const ended = await (chosen === "kind" ? kindDown : nativeDown)({ name }, io.call);
        io.answer({ name, ended }, () => (ended ? `ended ${name}` : `there is no cluster ${name}`));
        if (before && !(await isThere(kubeconfig))) io.say("its kubeconfig is gone: unset KUBECONFIG");
        return 0;
      }),
    );
}

/** Whether `KUBECONFIG` names a file, as far as this user can tell. */
async function isThere(kubeconfig: string): Promise<boolean> {
  return await exists(kubeconfig).catch(() => false);
}
