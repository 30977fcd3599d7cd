import { exitOfMissing, runChild } from "./child.ts";
import type { Launcher } from "./view.ts";

/**
 * Where nothing can be mounted: the command gets the folder of the node cache itself, as its mount path.
 * Nothing but the files' modes keeps it from writing there.
 */
export function plainLauncher(): Launcher {
  return {
    name: "plain",
    probe: async () => ({ ok: true }),
    where: (view) => view.source,
    async launch(_views, command, call) {
      const [file, ...args] = command.argv;
      const env = { ...(command.env ?? process.env) };
      try {
        return await runChild({ file, args, env, cwd: command.cwd ?? process.cwd() }, command, call);
      } catch (error) {
        const exit = exitOfMissing(error);
        if (exit === undefined) throw error;
        return exit;
      }
    },
  };
}
