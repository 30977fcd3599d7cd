import { resolve } from "node:path";
import { parsePlatform } from "../oci/index.ts";
import { mount, openCache } from "../volume/index.ts";
import { addRemoteFlags, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import type { Verb } from "./verb.ts";

interface Options extends RemoteFlags {
  readonly subPath?: string;
  readonly platform?: string;
}

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .argument("<ref>", "the image")
        .argument("<dir>", "an empty folder, or one to be made")
        .option("--sub-path <path>", "a folder of the image instead of all of it")
        .option("--platform <os/arch>", "whose volume (default: this machine's)")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        "\nExamples:\n  imgvol mount localhost:5001/agent:1 /mnt/agent\n  imgvol mount oci:./layout:1 ./agent --sub-path lib",
      )
      .action(
        run(async (io, ref: string, dir: string, options: Options) => {
          await using image = await opened(ref, remoteOptions(options), io);
          const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
          const cache = await openCache();
          await using volume = await cache.volume(
            image.store,
            image.wanted,
            { platform, reference: ref },
            io.call,
          );
          const how = options.subPath === undefined ? {} : { subPath: options.subPath };
          const record = await mount(cache.path, volume, resolve(dir), how, io.call);
          io.tell(volume.told);
          if (record.mounter === "copy")
            io.say("nothing can be mounted here without root: this is a read-only copy");
          io.answer(record, () => record.at);
          return 0;
        }),
      );
  },
};
