import type { Command } from "commander";
import type { ClusterError, Published } from "../cluster/index.ts";
import { kindStatus } from "../kind/index.ts";
import { nativeStatus } from "../native/index.ts";
import { table } from "./io.ts";
import { examples, type Run } from "./verb.ts";

interface Flags {
  readonly name?: string;
}

export function status(command: Command, run: Run): void {
  command
    .description("the clusters that imgvol made here, and how they are")
    .option("--name <name>", "which one (default: all)")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cluster status", "imgvol cluster status --name second --json"))
    .action(
      run(async (io, { name }: Flags) => {
        const damaged: { readonly message: string; readonly hint: string }[] = [];
        const note = ({ message, hint = "" }: ClusterError): void => void damaged.push({ message, hint });
        const native = await nativeStatus({ name, damaged: note }, io.call);
        const kind = await kindStatus({ name, damaged: note }, io.call);
        const clusters = [
          ...native.map((cluster) => ({ provider: "native", ...cluster })),
          ...kind.map((cluster) => ({ provider: "kind", ...cluster })),
        ];
        for (const { message, hint } of damaged) io.complain(`error: ${message}\nhint: ${hint}`);
        // One that cannot be read is not one that there is not.
        const none = damaged.length > 0 ? "" : `there is no cluster${name === undefined ? "" : ` ${name}`}`;
        io.answer({ clusters, damaged }, () =>
          clusters.length === 0
            ? none
            : table(
                ["NAME", "PROVIDER", "STATE", "KUBERNETES", "REGISTRY", "PUBLISHED", "KUBECONFIG"],
                clusters.map((c) => [
                  c.name,
                  c.provider,
                  c.state,
                  c.kubernetes,
                  c.registry,
                  publishedOf(c.ports),
                  c.kubeconfig,
                ]),
              ),
        );
        const wanted = name === undefined || clusters.length > 0;
        return wanted && damaged.length === 0 && clusters.every(({ state }) => state === "ready") ? 0 : 1;
      }),
    );
}

/** As `--publish` takes them. */
function publishedOf(ports: readonly Published[]): string {
  const published = ports.filter(({ what }) => what === "published");
  return published.map(({ host, node }) => `${host}:${node}`).join(",") || "-";
}
