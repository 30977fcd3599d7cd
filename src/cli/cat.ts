import { parsePlatform } from "../oci/index.ts";
import { cat } from "../pack/index.ts";
import { addRemoteFlags, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import type { Verb } from "./verb.ts";

interface Options extends RemoteFlags {
  readonly platform?: string;
}

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .argument("<ref>", "the image")
        .argument("<path>", "a file in it")
        .option("--platform <os/arch>", "whose volume (default: this machine's)"),
    )
      .addHelpText(
        "after",
        "\nExamples:\n  imgvol cat localhost:5001/agent:1 agent.properties\n  imgvol cat oci:./layout:1 lib/agent.jar > agent.jar",
      )
      .action(
        run(async (io, ref: string, path: string, options: Options) => {
          await using image = await opened(ref, remoteOptions(options), io);
          const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
          for await (const chunk of cat(image.store, image.wanted, path, { platform }, io.call)) {
            await io.write(chunk);
          }
          return 0;
        }),
      );
  },
};
