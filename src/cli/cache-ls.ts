import type { Command } from "commander";
import { formatBytes } from "../base/index.ts";
import { openCache } from "../volume/index.ts";
import { table } from "./io.ts";
import { examples, type Run } from "./verb.ts";

export function listVolumes(command: Command, run: Run): void {
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
