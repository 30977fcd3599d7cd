import { StoreError } from "../oci/index.ts";
import { addRemoteFlags, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .argument("<repository>", "a repository, or a layout folder")
        .option("--json", "the answer as JSON"),
    )
      .addHelpText("after", examples("imgvol tags localhost:5001/agent", "imgvol tags oci:./layout"))
      .action(
        run(async (io, repository: string, options: RemoteFlags) => {
          await using image = await opened(repository, remoteOptions(options, io), io);
          const { tags } = image.store.can;
          if (tags === undefined)
            throw new StoreError("unsupported", `${image.store.origin} cannot list its tags`);
          const names: string[] = [];
          for await (const name of tags.list(io.call)) names.push(name);
          io.answer({ tags: names }, () => names.join("\n"));
          return 0;
        }),
      );
  },
};
