import { resolve } from "node:path";
import { defaultCacheFolder, unmount } from "../volume/index.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    command
      .argument("<dir>", "where imgvol mount mounted")
      .addHelpText("after", examples("imgvol unmount /mnt/agent", "imgvol umount ./agent"))
      .action(
        run(async (io, dir: string) => {
          const record = await unmount(defaultCacheFolder(), resolve(dir), io.call);
          io.say(`unmounted ${record.reference} from ${record.at}`);
          return 0;
        }),
      );
  },
};
