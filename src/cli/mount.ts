import { resolve } from "node:path";
import { checkMountPoint, mount, openCache, volumeImage } from "../volume/index.ts";
import { addVolumeFlags, opened, platformOf, remoteOptions, type VolumeFlags } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends VolumeFlags {
  readonly subPath?: string;
}

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(
      command
        .argument("<ref>", "the image")
        .argument("<dir>", "an empty folder, or one to be made")
        .option("--sub-path <path>", "a folder of the image instead of all of it")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        examples(
          "imgvol mount localhost:5001/agent:1 /mnt/agent",
          "imgvol mount oci:./layout:1 ./agent --sub-path lib",
        ),
      )
      .action(
        run(async (io, ref: string, dir: string, options: Options) => {
          const platform = platformOf(options);
          await using image = await opened(ref, remoteOptions(options, io), io);
          const cache = await openCache();
          const { manifest: wanted } = await volumeImage(image.store, image.wanted, platform, io.call);
          await checkMountPoint(cache.path, dir, wanted, io.call);
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
          const { at, mounter, manifest, reference } = record;
          io.answer({ at, mounter, manifest, reference }, () => at);
          return 0;
        }),
      );
  },
};
