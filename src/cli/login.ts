import { collect, ImgvolError } from "../base/index.ts";
import { login } from "../store/index.ts";
import { addRemoteFlags, type RemoteFlags, remoteOptions } from "./opened.ts";
import { stdin } from "./stdin.ts";
import { examples, type Verb } from "./verb.ts";

interface Options extends RemoteFlags {
  readonly username: string;
  readonly passwordStdin?: boolean;
}

export const verb: Verb = {
  define(command, run) {
    addRemoteFlags(
      command
        .argument("<registry>", "host or host:port")
        .requiredOption("-u, --username <name>", "who you are")
        .option(
          "--password-stdin",
          "read the password from stdin: the only way, so that no process list shows it",
        ),
    )
      .addHelpText(
        "after",
        examples(
          "pass show ghcr | imgvol login ghcr.io -u me --password-stdin",
          "imgvol login localhost:5001 -u me --password-stdin < token",
        ),
      )
      .action(
        run(async (io, registry: string, options: Options) => {
          if (!options.passwordStdin) {
            throw new ImgvolError("password-missing", `no password for ${registry}`, {
              hint: "give it on stdin, with --password-stdin",
              wrongUse: true,
            });
          }
          const typed = Buffer.from(await collect(stdin(io.call), 64 * 1024, "the password")).toString(
            "utf8",
          );
          const user = { username: options.username, password: typed.replace(/\r?\n$/, "") };
          if (user.password === "") {
            throw new ImgvolError("password-missing", `the password for ${registry} on stdin is empty`, {
              hint: "check the command before the pipe",
              wrongUse: true,
            });
          }
          const kept = await login(registry, user, remoteOptions(options), io.call);
          io.say(
            kept.asked
              ? `logged in to ${registry}; the credentials are in ${kept.in}`
              : `${registry} asked for no credentials; they are kept all the same in ${kept.in}`,
          );
          return 0;
        }),
      );
  },
};
