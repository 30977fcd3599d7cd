import type { Call } from "../base/index.ts";
import { rootLauncher, userLauncher } from "./launch-namespace.ts";
import { plainLauncher } from "./launch-plain.ts";
import type { Command, Exit, Launcher, View } from "./view.ts";

const LAUNCHERS: readonly Launcher[] = [rootLauncher(), userLauncher(), plainLauncher()];

/** A launcher that works here, and why those before it do not. */
export interface Choice {
  readonly launcher: Launcher;
  readonly passedOver: readonly string[];
}

/** The first launcher of `candidates` that works on this machine. The plain one always does. */
export async function chooseLauncher(
  call: Call,
  candidates: readonly Launcher[] = LAUNCHERS,
): Promise<Choice> {
  const passedOver: string[] = [];
  for (const launcher of candidates) {
    if (launcher.name === "root-namespace" && process.geteuid?.() !== 0) continue;
    const probe = await launcher.probe(call);
    if (probe.ok) return { launcher, passedOver };
    passedOver.push(probe.why);
  }
  return { launcher: plainLauncher(), passedOver };
}

/**
 * Starts a command that sees volumes as a container would, and waits for its end.
 *
 * @param command the command, or a function that makes it from where each mount path is: the path itself, but on a machine
 * where nothing can be mounted, the folder of the node cache. Paths in arguments and environment must come from it.
 * @throws VolumeError `view-failed`, `mount-path-invalid`, `mount-path-busy`, `command-invalid`
 */
export async function run(
  views: readonly View[],
  command: Command | ((where: (mountPath: string) => string) => Command),
  call: Call,
): Promise<Exit> {
  const { launcher, passedOver } = await chooseLauncher(call);
  if (launcher.name === "plain" && views.length > 0) {
    call.progress?.say(
      `nothing can be mounted here (${passedOver.join("; ")}): the volumes are at their cache paths instead`,
    );
  }
  const where = (mountPath: string): string => {
    const view = views.find((v) => v.mountPath === mountPath);
    return view === undefined ? mountPath : launcher.where(view);
  };
  return launcher.launch(views, typeof command === "function" ? command(where) : command, call);
}
