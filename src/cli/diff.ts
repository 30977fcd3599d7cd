import { printable } from "../base/index.ts";
import { parsePlatform } from "../oci/index.ts";
import { diff } from "../pack/index.ts";
import { addRemoteFlags, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import type { Verb } from "./verb.ts";

interface Options extends RemoteFlags {
  readonly platform?: string;
}

const SIGN = { added: "+", removed: "-", changed: "~" } as const;

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .description("which files two images do not share; exit 1 where there are any")
        .argument("<a>", "an image")
        .argument("<b>", "another")
        .option("--platform <os/arch>", "whose volumes (default: this machine's)")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        "\nExamples:\n  imgvol diff localhost:5001/agent:1 localhost:5001/agent:2\n  imgvol diff oci:./layout:1 localhost:5001/agent:1",
      )
      .action(
        run(async (io, a: string, b: string, options: Options) => {
          const remote = remoteOptions(options);
          await using first = await opened(a, remote, io);
          await using second = await opened(b, remote, io);
          const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
          const found = await diff(
            { store: first.store, ref: first.wanted },
            { store: second.store, ref: second.wanted },
            { platform },
            io.call,
          );
          io.answer(found, () =>
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
