import { formatBytes, formatCount, ResourceStack } from "../base/index.ts";
import { copy } from "../copy/index.ts";
import { type PackOptions, pack } from "../pack/index.ts";
import {
  addRemoteFlags,
  byDigest,
  destination,
  type Opened,
  opened,
  type RemoteFlags,
  remoteOptions,
} from "./opened.ts";
import { addPackFlags, type PackFlags, packOptions } from "./pack-flags.ts";
import { openSources } from "./sources.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends RemoteFlags, PackFlags {
  readonly tag: string[];
  readonly repository?: string;
}

export const verb: Verb = {
  define(command, run) {
    addPackFlags(
      addRemoteFlags(
        command.argument(
          "<source[=target]...>",
          "folders, files, - (a tar on stdin), or preset:NAME[@VERSION]",
        ),
      ),
    )
      .addHelpText(
        "after",
        examples(
          "imgvol pack ./agent -t localhost:5001/agent:1",
          "imgvol pack preset:otel-java -t oci:./layout:otel-java",
        ),
      )
      .action(
        run(async (io, words: string[], options: Options) => {
          const remote = remoteOptions(options, io);
          // All of them, before any work: the last one's mistake would be told when the others are there.
          for (const each of options.tag) destination(each);
          const how: PackOptions = await packOptions(options);
          await using sources = await openSources(words, { ...how, repository: options.repository }, io);
          const [first = "", ...rest] = options.tag;
          await using to = await opened(first, remote, io, !how.dryRun);
          await using held = new ResourceStack();
          const others: Opened[] = [];
          for (const other of how.dryRun ? [] : rest) {
            others.push(held.keep(await opened(other, remote, io, true)));
          }
          const made = await pack(
            sources.list,
            to.store,
            { ...how, tag: to.reference.tag ?? "latest" },
            io.call,
          );
          const references = [byDigest(to.reference, made.digest)];
          for (const { store, reference } of others) {
            await copy(to.store, made.digest, store, reference.tag ?? "latest", {}, io.call);
            references.push(byDigest(reference, made.digest));
          }
          io.tell(made.told);
          const compressed = made.layers.reduce((sum, l) => sum + l.descriptor.size, 0);
          io.say(
            `${formatCount(made.entries, "entry", "entries")}, ${formatBytes(made.bytes)} in ${formatBytes(compressed)}`,
          );
          io.answer({ references, ...made }, () => references.join("\n"));
          return 0;
        }),
      );
  },
};
