import { formatBytes } from "../base/index.ts";
import { type InspectedReferrer, type Inspection, inspect } from "../pack/index.ts";
import { table } from "./io.ts";
import { addRemoteFlags, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends RemoteFlags {
  readonly referrers?: boolean;
}

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .argument("<ref>", "the image")
        .option("--referrers", "also what refers to it: signatures, SBOMs")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        examples("imgvol inspect localhost:5001/agent:1", "imgvol inspect oci:./layout:1 --json"),
      )
      .action(
        run(async (io, ref: string, options: Options) => {
          await using image = await opened(ref, remoteOptions(options, io), io);
          const found = await inspect(image.store, image.wanted, io.call, options);
          io.answer(found, () => described(found));
          return 0;
        }),
      );
  },
};

function described(i: Inspection): string {
  const rows = i.platforms.flatMap((p) =>
    p.layers.map((l) => [p.platform, l.compression, formatBytes(l.size), l.digest, l.diffId ?? "(none)"]),
  );
  const notes = Object.entries(i.annotations).map(([k, v]) => [k, v]);
  return [
    table(["DIGEST", "TYPE"], [[i.digest, i.mediaType]]),
    table(["PLATFORM", "FORM", "SIZE", "LAYER", "DIFF_ID"], rows),
    ...(i.referrers === undefined ? [] : [referrersTable(i.referrers)]),
    ...(notes.length === 0 ? [] : [table(["ANNOTATION", "VALUE"], notes)]),
  ].join("\n\n");
}

function referrersTable(referrers: readonly InspectedReferrer[]): string {
  if (referrers.length === 0) return "nothing refers to it";
  const rows = referrers.map((r) => [
    r.artifactType ?? r.mediaType,
    formatBytes(r.size),
    r.digest,
    r.subject,
    Object.entries(r.annotations)
      .map(([k, v]) => `${k}=${v}`)
      .join(" "),
  ]);
  return table(["REFERRER", "SIZE", "DIGEST", "REFERS TO", "ANNOTATIONS"], rows);
}
