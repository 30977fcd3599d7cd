import type { Command } from "commander";
import { formatBytes } from "../base/index.ts";
import { openCache, type PruneOptions } from "../volume/index.ts";
import { parseAge, parseSize } from "./flag-values.ts";
import { examples, type Run } from "./verb.ts";

interface PruneFlags {
  readonly all?: boolean;
  readonly olderThan?: string;
  readonly keep?: string;
}

export function prune(command: Command, run: Run): void {
  command
    .description("remove damaged volumes, what dead processes left, and what you say; never one in use")
    .option("--all", "every volume that is not in use")
    .option("--older-than <time>", "volumes not used for this long, for example 30d, 12h, 45m")
    .option("--keep <size>", "the longest unused, until at most this much is left")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cache prune --older-than 30d", "imgvol cache prune --keep 10GiB"))
    .action(
      run(async (io, flags: PruneFlags) => {
        const how: PruneOptions = {
          all: flags.all ?? false,
          ...(flags.olderThan === undefined ? {} : { olderThan: parseAge(flags.olderThan, "--older-than") }),
          ...(flags.keep === undefined ? {} : { keepBytes: parseSize(flags.keep, "--keep") }),
        };
        const done = await (await openCache()).prune(how, io.call);
        const bytes = done.removed.reduce((sum, v) => sum + v.bytes, 0);
        if (done.kept.length > 0) io.say(`kept ${done.kept.length} that are in use`);
        io.answer(
          done,
          () => `removed ${done.removed.length} volumes (${formatBytes(bytes)}), ${done.swept} leftovers`,
        );
        return 0;
      }),
    );
}
