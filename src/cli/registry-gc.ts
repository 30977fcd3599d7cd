import type { Command } from "commander";
import { formatBytes } from "../base/index.ts";
import { collectFolder, type GcReport } from "../registry/index.ts";
import { parseAge } from "./flag-values.ts";
import { table } from "./io.ts";
import { examples, type Run } from "./verb.ts";

interface Flags {
  readonly dir: string;
  readonly untagged?: boolean;
  readonly grace: string;
  readonly dryRun?: boolean;
}

/** `imgvol registry gc`. */
export function gc(command: Command, run: Run): void {
  command
    .description(
      "remove what no manifest needs, also while the registry serves; exit 1 where something is damaged",
    )
    .requiredOption("--dir <folder>", "the registry's folder")
    .option("--untagged", "also manifests that no tag leads to, and that refer to none that is kept")
    .option("--grace <time>", "keep what is younger, or was asked for since, for example 1h, 2d, 0s", "1h")
    .option("--dry-run", "say what would be removed")
    .option("--json", "the answer as JSON")
    .addHelpText(
      "after",
      examples(
        "imgvol registry gc --dir ./registry --dry-run",
        "imgvol registry gc --dir ./registry --untagged",
      ),
    )
    .action(
      run(async (io, flags: Flags) => {
        const options = {
          untagged: flags.untagged ?? false,
          grace: parseAge(flags.grace, "--grace"),
          dryRun: flags.dryRun ?? false,
        };
        const report = await collectFolder(flags.dir, options, io.call);
        io.tell(report.findings);
        io.answer(report, () => told(report));
        return report.findings.some(({ severity }) => severity !== "note") ? 1 : 0;
      }),
    );
}

function told({ repositories, uploads, bytes, dryRun }: GcReport): string {
  const freed = `${formatBytes(bytes)} ${dryRun ? "would be freed" : "freed"}`;
  const rows = repositories.map((r) => [
    r.name,
    String(r.manifests),
    String(r.blobs),
    formatBytes(r.bytes),
    r.removed ? "the repository itself, too" : "",
  ]);
  const unfinished = uploads.uploads > 0 ? `, ${uploads.uploads} unfinished uploads among it` : "";
  if (rows.length === 0) return freed + unfinished;
  return `${table(["REPOSITORY", "MANIFESTS", "BLOBS", "FREED", ""], rows)}\n${freed}${unfinished}`;
}
