import { formatBytes, ImgvolError } from "../base/index.ts";
import { parsePlatform } from "../oci/index.ts";
import { copy } from "../store/index.ts";
import { addRemoteFlags, byDigest, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import type { Verb } from "./verb.ts";

interface Options extends RemoteFlags {
  readonly platform?: string;
  readonly jobs: string;
}

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .argument("<src>", "where the image is")
        .argument("<dst>", "where it goes; without a tag, it is reached there by its digest")
        .option("--platform <os/arch>", "this platform's image alone (default: all, and the index)")
        .option("--jobs <n>", "blobs that flow side by side", "4")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        "\nExamples:\n  imgvol copy localhost:5001/agent:1 oci:./layout:1\n  imgvol copy oci:./layout:1 localhost:5001/agent:1",
      )
      .action(
        run(async (io, src: string, dst: string, options: Options) => {
          const remote = remoteOptions(options);
          await using from = await opened(src, remote, io);
          await using to = await opened(dst, remote, io, true);
          if (to.reference.digest !== undefined) {
            throw new ImgvolError("destination-pinned", `a destination has no digest: ${dst}`, {
              hint: "leave out @sha256:…: the image keeps the digest that it has",
              wrongUse: true,
            });
          }
          const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
          const how = { platform, concurrency: Number(options.jobs) || 4 };
          const done = await copy(from.store, from.wanted, to.store, to.reference.tag, how, io.call);
          const reference = byDigest(to.reference, done.digest);
          io.say(
            `copied ${done.copied} (${formatBytes(done.bytes)}), already there ${done.skipped}${done.mounted > 0 ? `, mounted ${done.mounted}` : ""}`,
          );
          if (done.foreign > 0)
            io.say(`left out ${done.foreign} foreign layers, which the source does not hold`);
          io.answer({ reference, ...done }, () => reference);
          return 0;
        }),
      );
  },
};
