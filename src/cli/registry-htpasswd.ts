import type { Command } from "commander";
import { htpasswdLine } from "../serve/index.ts";
import { pipedPassword, typedPassword } from "./password.ts";
import { examples, type Run } from "./verb.ts";

interface Flags {
  readonly passwordStdin?: boolean;
}

/** `imgvol registry htpasswd`. */
export function htpasswd(command: Command, run: Run): void {
  command
    .description("make a user's line for the file of `serve --htpasswd`: the name, and the password hashed")
    .argument("<user>", "the name")
    .option("--password-stdin", "read the password from stdin (default: ask for it on the terminal)")
    .option("--json", "the answer as JSON")
    .addHelpText(
      "after",
      examples(
        "imgvol registry htpasswd ada >> ./users",
        "pass show registry | imgvol registry htpasswd ada --password-stdin >> ./users",
      ),
    )
    .action(
      run(async (io, user: string, { passwordStdin }: Flags) => {
        const password = passwordStdin ? await pipedPassword(io.call) : await typedPassword(io.call);
        const line = await htpasswdLine(user, password);
        io.answer({ line }, () => line);
        return 0;
      }),
    );
}
