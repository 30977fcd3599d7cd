import { gc } from "./registry-gc.ts";
import { htpasswd } from "./registry-htpasswd.ts";
import { serve } from "./registry-serve.ts";
import { examples, type Verb } from "./verb.ts";

export const verb: Verb = {
  define(command, run) {
    serve(command.command("serve"), run);
    gc(command.command("gc"), run);
    htpasswd(command.command("htpasswd"), run);
    command.addHelpText(
      "after",
      examples("imgvol registry serve --dir ./registry", "imgvol registry gc --dir ./registry"),
    );
  },
};
