import { printable } from "../base/index.ts";
import { diff } from "../pack/index.ts";
import { addVolumeFlags, opened, platformOf, remoteOptions, type VolumeFlags } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

const SIGN = { added: "+", removed: "-", changed: "~" } as const;

export const verb: Verb = {
  define(command, run) {
    addVolumeFlags(
      command
        .description("which files two images do not share; exit 1 where there are any")
        .argument("<a>", "an image")
        .argument("<b>", "another")
        .option("--json", "the answer as JSON"),
      "whose volumes (default: this machine's)",
    )
      .addHelpText(
        "after",
        examples(
          "imgvol diff localhost:5001/agent:1 localhost:5001/agent:2",
          "imgvol diff oci:./layout:1 localhost:5001/agent:1",
        ),
      )
      .action(
        run(async (io, a: string, b: string, options: VolumeFlags) => {
          const platform = platformOf(options);
          const remote = remoteOptions(options, io);
          await using first = await opened(a, remote, io);
          await using second = await opened(b, remote, io);
          const found = await diff(
            { store: first.store, ref: first.wanted },
            { store: second.store, ref: second.wanted },
            { platform },
            io.call,
          );
          io.answer({ differences: found }, () =>
            found
              .map(
                (d) =>
                  `${SIGN[d.change]} ${printable(d.path)}${d.what.length > 0 ? ` (${d.what.join(", ")})` : ""}`,
              )
              .join("\n"),
          );
          return found.length > 0 ? 1 : 0;
        }),
      );
  },
};
