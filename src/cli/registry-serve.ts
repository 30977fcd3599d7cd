import type { Command } from "commander";
import { printable } from "../base/index.ts";
import { startRegistry } from "../serve/index.ts";
import { openAccessLog } from "./access-log.ts";
import { tlsFiles } from "./certificate.ts";
import { given } from "./flag-values.ts";
import type { Io } from "./io.ts";
import { parseListen, untilStopped } from "./listen.ts";
import { addServeFlags, checkPairs, limitsOf, mirrorOf, type ServeFlags, timesOf } from "./registry-flags.ts";
import { toldOf } from "./registry-told.ts";
import { examples, type Run } from "./verb.ts";
import { version } from "./version-number.ts";

/** `imgvol registry serve`. */
export function serve(command: Command, run: Run): void {
  command.description("serve the OCI distribution API, and pages for people, until Ctrl-C");
  addServeFlags(command);
  command
    .addHelpText(
      "after",
      examples(
        "imgvol registry serve --dir ./registry",
        "imgvol registry serve --dir ./registry --listen 0.0.0.0:5001 --allow-host registry.example --htpasswd ./users",
      ),
    )
    .action(run(serving));
}

async function serving(io: Io, flags: ServeFlags): Promise<number> {
  checkPairs(flags);
  const say = (sentence: string): void => io.complain(printable(sentence));
  await using log = flags.accessLog === undefined ? undefined : await openAccessLog(flags.accessLog, say);
  await using registry = await startRegistry(
    {
      ...parseListen(flags.listen),
      ...timesOf(flags),
      ...given({
        dir: flags.dir,
        tls: tlsFiles(flags),
        htpasswd: flags.htpasswd,
        mirror: mirrorOf(flags, io),
        accessLog: log?.write,
      }),
      allowHosts: flags.allowHost ?? [],
      readOnly: flags.readOnly ?? false,
      sparse: flags.sparse ?? false,
      anonymousPull: flags.anonymousPull ?? false,
      limits: limitsOf(flags),
      version: version(),
      say,
      onError: (error, { method, path }) => say(`${method} ${path}: ${String(error)}`),
    },
    io.call,
  );
  io.answer({ url: registry.url }, () => registry.url);
  io.say(toldOf(flags, registry));
  await untilStopped(io.call.signal);
  io.say(`ending: transfers on their way get ${flags.grace}, and a second Ctrl-C cuts them`);
  return 0;
}
