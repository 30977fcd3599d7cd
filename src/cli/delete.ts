import { formatReference, StoreError } from "../oci/index.ts";
import { addRemoteFlags, opened, type RemoteFlags, remoteOptions } from "./opened.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .description("a tag (REF:TAG), or an image with all its tags (REF@sha256:…)")
        .argument("<ref>", "what goes; the tag or digest must be written"),
    )
      .addHelpText(
        "after",
        examples("imgvol delete localhost:5001/agent:1", "imgvol delete oci:./layout:old"),
      )
      .action(
        run(async (io, ref: string, options: RemoteFlags) => {
          await using image = await opened(ref, remoteOptions(options, io), io);
          const { tag, digest } = image.reference;
          const deletes = image.store.can.delete;
          if (deletes === undefined)
            throw new StoreError("unsupported", `${image.store.origin} deletes nothing`);
          if (digest !== undefined) await deletes.delete(await image.store.resolve(digest, io.call), io.call);
          else if (tag !== undefined) await deletes.untag(tag, io.call);
          else {
            throw new StoreError("unsupported", `${ref} names neither a tag nor a digest`, {
              hint: `write which one, for example ${ref}:1`,
              wrongUse: true,
            });
          }
          io.say(`deleted ${formatReference(image.reference)}`);
          return 0;
        }),
      );
  },
};
