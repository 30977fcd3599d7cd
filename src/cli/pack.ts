import { type Finding, formatBytes, formatCount, ResourceStack, shellWord } from "../base/index.ts";
import { copy } from "../copy/index.ts";
import { formatReference, type Reference } from "../oci/index.ts";
import { type PackOptions, pack, StrictRefused } from "../pack/index.ts";
import type { Io } from "./io.ts";
import {
  addRemoteFlags,
  byDigest,
  checkUnpinned,
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
          for (const each of options.tag) checkUnpinned(each);
          const how: PackOptions = await packOptions(options);
          await using sources = await openSources(words, { ...how, repository: options.repository }, io);
          const [first = "", ...rest] = options.tag;
          await using to = await opened(first, remote, io, !how.dryRun);
          await using held = new ResourceStack();
          const others: Opened[] = [];
          for (const other of how.dryRun ? [] : rest) {
            others.push(held.keep(await opened(other, remote, io, true)));
          }
          const spec = { ...how, tag: to.reference.tag ?? "latest" };
          const made = await pack(sources.list, to.store, spec, io.call).catch((error: unknown) => {
            if (error instanceof StrictRefused) tellRefused(error, io);
            throw error;
          });
          const references: [string, ...string[]] = [byDigest(to.reference, made.digest)];
          const answer = (): void => {
            io.tell(made.told);
            io.answer({ references, ...made }, () => references.join("\n"));
          };
          for (const { store, reference } of others) {
            try {
              await copy(to.store, made.digest, store, reference.tag ?? "latest", {}, io.call);
            } catch (error) {
              // Those before it have the image, and keep it.
              answer();
              const missing = others.slice(references.length - 1).map((other) => other.reference);
              io.tell(missing.map((each) => notPublished(each, references)));
              throw error;
            }
            references.push(byDigest(reference, made.digest));
          }
          const compressed = made.layers.reduce((sum, l) => sum + l.descriptor.size, 0);
          io.say(
            `${formatCount(made.entries, "entry", "entries")}, ${formatBytes(made.bytes)} in ${formatBytes(compressed)}`,
          );
          answer();
          return 0;
        }),
      );
  },
};

/** What stands in the way is listed as it is without `--strict`. */
function tellRefused({ told }: StrictRefused, io: Io): void {
  io.tell(told);
  if (io.json) io.answer({ references: [], told }, () => "");
}

function notPublished(reference: Reference, published: readonly [string, ...string[]]): Finding {
  // As pack would have named it: a layout gets no tag from a copy that is told none.
  const missing = formatReference({ ...reference, tag: reference.tag ?? "latest" });
  return {
    code: "published-in-part",
    severity: "warning",
    subject: missing,
    message: `${missing} has not got the image, which is in ${published.join(", ")}`,
    fix: [`imgvol copy ${shellWord(published[0])} ${shellWord(missing)}`],
  };
}
