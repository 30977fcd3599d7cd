import { formatBytes, formatCount, ImgvolError } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";
import { exportTar } from "../pack/index.ts";
import { exportTo } from "../volume/index.ts";
import { addVolumeFlags, opened, platformOf, remoteOptions, type VolumeFlags } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(
      command
        .argument("<ref>", "the image")
        .argument("<dir>", "an empty folder, or one to be made; - is a tar on stdout")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        examples(
          "imgvol export localhost:5001/agent:1 ./agent-files",
          "imgvol export oci:./layout:1 - | tar -t",
        ),
      )
      .action(
        run(async (io, ref: string, dir: string, options: VolumeFlags) => {
          const platform = platformOf(options);
          if (dir === "-" && io.json) {
            throw new ImgvolError("json-or-tar", "stdout takes either the tar or the answer as JSON", {
              hint: "leave out --json, or export into a folder",
              wrongUse: true,
            });
          }
          await using image = await opened(ref, remoteOptions(options, io), io);
          if (dir === "-") {
            const told: Finding[] = [];
            const how = { platform, tell: (finding: Finding): void => void told.push(finding) };
            for await (const chunk of exportTar(image.store, image.wanted, how, io.call))
              await io.write(chunk);
            io.tell(told);
            return 0;
          }
          const done = await exportTo(image.store, image.wanted, dir, { platform }, io.call);
          io.tell(done.told);
          io.say(`${formatCount(done.entries, "entry", "entries")}, ${formatBytes(done.bytes)}`);
          io.answer(done, () => dir);
          return 0;
        }),
      );
  },
};
