import { down } from "./cluster-down.ts";
import { status } from "./cluster-status.ts";
import { up } from "./cluster-up.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    up(command.command("up"), run);
    status(command.command("status"), run);
    down(command.command("down"), run);
    command.addHelpText("after", examples("imgvol cluster up", "imgvol cluster down"));
  },
};
