import { cat } from "../pack/index.ts";
import { addVolumeFlags, opened, platformOf, remoteOptions, type VolumeFlags } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(command.argument("<ref>", "the image").argument("<path>", "a file in it"))
      .addHelpText(
        "after",
        examples(
          "imgvol cat localhost:5001/agent:1 agent.properties",
          "imgvol cat oci:./layout:1 lib/agent.jar > agent.jar",
        ),
      )
      .action(
        run(async (io, ref: string, path: string, options: VolumeFlags) => {
          const platform = platformOf(options);
          await using image = await opened(ref, remoteOptions(options, io), io);
          for await (const chunk of cat(image.store, image.wanted, path, { platform }, io.call)) {
            await io.write(chunk);
          }
          return 0;
        }),
      );
  },
};
