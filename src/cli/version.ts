import { release } from "node:os";
import { examples, type Verb } from "./verb.ts";
import { version } from "./version-number.ts";

export const verb: Verb = {
  define(command, run) {
    command
      .option("--json", "the answer as JSON")
      .addHelpText("after", examples("imgvol version", "imgvol version --json"))
      .action(
        run(async (io) => {
          const answer = {
            imgvol: version(),
            node: process.versions.node,
            platform: `${process.platform}/${process.arch}`,
            kernel: release(),
          };
          io.answer(answer, () => `imgvol ${answer.imgvol} (Node.js ${answer.node}, ${answer.platform})`);
        }),
      );
  },
};
