import type { Command } from "commander";
import { formatBytes } from "../base/index.ts";
import { openCache, type PruneOptions } from "../volume/index.ts";
import { parseAge, parseSize } from "./flag-values.ts";
import { table } from "./io.ts";
import { examples, type Run, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    list(command.command("ls"), run);
    prune(command.command("prune"), run);
    verify(command.command("verify"), run);
    command.addHelpText("after", examples("imgvol cache ls", "imgvol cache prune --older-than 30d"));
  },
};

function list(command: Command, run: Run): void {
  command
    .description("the volumes that are unpacked, the longest unused first")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cache ls", "imgvol cache ls --json"))
    .action(
      run(async (io) => {
        const volumes = await (await openCache()).list(io.call);
        io.answer({ volumes }, () =>
          table(
            ["MANIFEST", "SIZE", "ENTRIES", "USED", "REFERENCE"],
            volumes.map((v) => [
              v.manifest.slice(0, 19),
              formatBytes(v.bytes),
              String(v.entries),
              v.inUse ? "now" : v.damaged === true ? "damaged" : new Date(v.used).toISOString().slice(0, 16),
              v.reference,
            ]),
          ),
        );
        return 0;
      }),
    );
}

interface PruneFlags {
  readonly all?: boolean;
  readonly olderThan?: string;
  readonly keep?: string;
}

function prune(command: Command, run: Run): void {
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

function verify(command: Command, run: Run): void {
  command
    .description("read every volume and compare it with what was unpacked; exit 1 where one is damaged")
    .option("--json", "the answer as JSON")
    .addHelpText("after", examples("imgvol cache verify", "imgvol cache verify --json"))
    .action(
      run(async (io) => {
        const volumes = await (await openCache()).verify(io.call);
        io.tell(volumes.flatMap((v) => v.findings));
        const damaged = volumes.filter((v) => v.findings.length > 0).length;
        io.answer({ volumes }, () => `${volumes.length} volumes, ${damaged} damaged`);
        return damaged > 0 ? 1 : 0;
      }),
    );
}
