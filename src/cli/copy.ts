import { formatBytes, formatCount } from "../base/index.ts";
import { copy } from "../copy/index.ts";
import { parseCount } from "./flag-values.ts";
import {
  addVolumeFlags,
  byDigest,
  destination,
  opened,
  platformOf,
  remoteOptions,
  type VolumeFlags,
} from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends VolumeFlags {
  readonly jobs: string;
  readonly referrers?: boolean;
  readonly force?: boolean;
}

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(
      command
        .argument("<src>", "where the image is")
        .argument("<dst>", "where it goes; REPO@sha256:… gives it no tag there")
        .option("--referrers", "also what refers to the image: signatures, SBOMs, and what refers to them")
        .option("--force", "send everything, also what is there: mends what is damaged there")
        .option("--jobs <n>", "blobs that flow side by side", "4")
        .option("--json", "the answer as JSON"),
      "this platform's image alone (default: all, and the index)",
    )
      .addHelpText(
        "after",
        examples(
          "imgvol copy localhost:5001/agent:1 oci:./layout:1",
          "imgvol copy localhost:5001/agent:1 oci-archive:agent.tar:1 --referrers",
        ),
      )
      .action(
        run(async (io, src: string, dst: string, options: Options) => {
          const remote = remoteOptions(options, io);
          const platform = platformOf(options);
          const concurrency = parseCount(options.jobs, "--jobs");
          destination(dst);
          await using from = await opened(src, remote, io);
          await using to = await opened(dst, remote, io, true);
          const { force, referrers } = options;
          const { tag, digest } = to.reference;
          const how = { platform, concurrency, referrers, force, digest };
          const done = await copy(from.store, from.wanted, to.store, tag, how, io.call);
          const reference = byDigest(to.reference, done.digest);
          io.say(
            `copied ${done.copied} (${formatBytes(done.bytes)}), already there ${done.skipped}${done.mounted > 0 ? `, mounted ${done.mounted}` : ""}`,
          );
          if (options.referrers) io.say(`among them ${formatCount(done.referrers, "referrer", "referrers")}`);
          if (options.referrers && done.index !== undefined)
            io.say(`left, with --platform, the index and what refers to it: ${done.index}`);
          if (done.foreign > 0)
            io.say(
              `left out ${formatCount(done.foreign, "foreign layer", "foreign layers")}, which the source does not hold`,
            );
          io.answer({ reference, ...done }, () => reference);
          return 0;
        }),
      );
  },
};
