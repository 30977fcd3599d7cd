import { listVolumes } from "./cache-ls.ts";
import { prune } from "./cache-prune.ts";
import { verify } from "./cache-verify.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    listVolumes(command.command("ls"), run);
    prune(command.command("prune"), run);
    verify(command.command("verify"), run);
    command.addHelpText("after", examples("imgvol cache ls", "imgvol cache prune --older-than 30d"));
  },
};
