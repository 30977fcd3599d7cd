import { logout } from "../store/index.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    command
      .argument("<registry>", "host or host:port")
      .addHelpText("after", examples("imgvol logout ghcr.io", "imgvol logout localhost:5001"))
      .action(
        run(async (io, registry: string) => {
          const kept = await logout(registry, {}, io.call);
          io.say(kept === undefined ? `no credentials for ${registry}` : `forgot ${registry} in ${kept.in}`);
          return 0;
        }),
      );
  },
};
