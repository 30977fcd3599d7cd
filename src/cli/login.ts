import type { Finding } from "../base/index.ts";
import { type LoggedIn, login } from "../remote/index.ts";
import { addRemoteFlags, type RemoteFlags, remoteOptions } from "./opened.ts";
import { passwordMissing, pipedPassword } from "./password.ts";
import { parseRegistry } from "./registry-argument.ts";
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
        )
        .option("--json", "the answer as JSON"),
    )
      .addHelpText(
        "after",
        examples(
          "pass show ghcr | imgvol login ghcr.io -u me --password-stdin",
          "imgvol login localhost:5001 -u me --password-stdin < token",
        ),
      )
      .action(
        run(async (io, word: string, options: Options) => {
          const registry = parseRegistry(word);
          if (!options.passwordStdin) {
            throw passwordMissing(`no password for ${registry}`, "give it on stdin, with --password-stdin");
          }
          const password = await pipedPassword(io.call);
          if (password === "") {
            throw passwordMissing(
              `the password for ${registry} on stdin is empty`,
              "check the command before the pipe",
            );
          }
          const user = { username: options.username, password };
          const done = await login(registry, user, remoteOptions(options, io), io.call);
          io.say(
            done.asked
              ? `logged in to ${registry} as ${user.username}; the ${done.kept.replace("-", " ")} is in ${done.in}`
              : `${registry} asked for no credentials; they are kept all the same in ${done.in}`,
          );
          if (done.unencrypted) io.tell([unencrypted(done)]);
          if (io.json) io.answer({ registry, username: user.username, ...done }, () => "");
          return 0;
        }),
      );
  },
};

function unencrypted({ in: file, kept }: LoggedIn): Finding {
  return {
    code: "credentials-unencrypted",
    severity: "warning",
    subject: file,
    message: `the ${kept.replace("-", " ")} lies in ${file} unencrypted, readable to you and to root`,
    fix: [
      'install a credential helper and name it there: { "credsStore": "secretservice" }, or pass, osxkeychain',
    ],
  };
}
