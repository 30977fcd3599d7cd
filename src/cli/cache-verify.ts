import type { Command } from "commander";
import { openCache } from "../volume/index.ts";
import { examples, type Run } from "./verb.ts";

export function verify(command: Command, run: Run): void {
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
