import { logout } from "../auth/index.ts";
import { parseRegistry } from "./registry-argument.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    command
      .argument("<registry>", "host or host:port")
      .option("--json", "the answer as JSON")
      .addHelpText("after", examples("imgvol logout ghcr.io", "imgvol logout localhost:5001"))
      .action(
        run(async (io, word: string) => {
          const registry = parseRegistry(word);
          const done = await logout(registry, {}, io.call);
          if (done.from.length === 0) io.say(`no credentials for ${registry}`);
          for (const place of done.from) io.say(`forgot ${registry} in ${place}`);
          for (const { key, in: file } of done.left) {
            io.say(`${file} still has credentials for ${key}: \`podman logout ${key}\` forgets them`);
          }
          if (io.json) io.answer({ registry, ...done }, () => "");
          return 0;
        }),
      );
  },
};
