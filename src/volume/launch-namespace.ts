import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Call, errno, isAbort, makeFolder, messageOf, printable } from "../base/index.ts";
import { runChild } from "./child.ts";
import { splitEnvironment } from "./environment.ts";
import { VolumeError } from "./errors.ts";
import type { Command, Exit, Launcher, Probe, View } from "./view.ts";
import { planView, type Step } from "./view-plan.ts";
import { ENTER_SCRIPT, VIEW_SCRIPT } from "./view-script.ts";

/** How much of what the view's programs say is kept for an error's message. */
const REPORT_LIMIT = 4096;

/** Dropping is for good: no program that the command starts can gain a capability over the view. */
const DROP = [
  "setpriv",
  "--ambient-caps=-all",
  "--inh-caps=-all",
  "--bounding-set=-all",
  "--no-new-privs",
  "--pdeathsig=KILL",
  "--",
] as const;

/** For root: a mount namespace. What the machine unmounts meanwhile is unmounted in the view, too. */
export function rootLauncher(): Launcher {
  return namespaceLauncher("root-namespace", () => ({
    outer: ["--mount", "--propagation", "slave"],
    inner: [],
  }));
}

/**
 * For everyone else: a user namespace in which the caller may mount, and inside it a second one, which gives the
 * caller's own ids back and has no rights over the first one's mounts.
 */
export function userLauncher(): Launcher {
  return namespaceLauncher("user-namespace", (uid, gid) => ({
    outer: ["--user", "--map-root-user", "--mount", "--propagation", "slave"],
    inner: ["unshare", "--user", `--map-user=${uid}`, `--map-group=${gid}`, "--keep-caps", "--"],
  }));
}

type Namespaces = (
  uid: number,
  gid: number,
) => { readonly outer: readonly string[]; readonly inner: readonly string[] };

function namespaceLauncher(name: string, namespaces: Namespaces): Launcher {
  let probed: Promise<Probe> | undefined;
  return {
    name,
    where: (view) => view.mountPath,
    probe(call) {
      probed ??= probeByDoing(name, namespaces, call).catch((error: unknown) => {
        probed = undefined;
        throw error;
      });
      return probed;
    },
    launch: (views, command, call) => launch(namespaces, views, command, call),
  };
}

async function launch(
  namespaces: Namespaces,
  views: readonly View[],
  command: Command,
  call: Call,
): Promise<Exit> {
  const scratch = await mkdtemp(join(tmpdir(), "imgvol-view-"));
  try {
    const steps = await planView(views, scratch);
    for (const [step, folder] of steps) {
      if (step === "private")
        call.progress?.say(`new files in ${folder} are the command's alone, and go with it`);
    }
    const cwd = command.cwd ?? process.cwd();
    const { early, late } = splitEnvironment({ ...(command.env ?? process.env), PWD: cwd });
    const { outer, inner } = namespaces(process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
    return await watched(
      [
        "unshare",
        ...outer,
        "--",
        "sh",
        "-c",
        VIEW_SCRIPT,
        "imgvol-view",
        ...words(steps),
        "run",
        ...inner,
        ...DROP,
      ].concat([
        "sh",
        "-c",
        ENTER_SCRIPT,
        "imgvol-view",
        String(process.pid),
        cwd,
        "env",
        ...late,
        ...program(command),
      ]),
      early,
      command,
      call,
      // In the view, the mount has moved from here to the root: what a killed process would leave behind can go now.
      () => void rm(scratch, { recursive: true, force: true }).catch(() => undefined),
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function words(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => [...step]);
}

/** `env` takes words with a `=` for variables, also where one is the program's name. */
function program(command: Command): readonly string[] {
  for (const word of command.argv) {
    if (word.includes("\0")) {
      throw new VolumeError("command-invalid", "a command cannot contain a zero byte", { wrongUse: true });
    }
  }
  const [file, ...rest] = command.argv;
  if (file === "") throw new VolumeError("command-invalid", "the command has no name", { wrongUse: true });
  return file.includes("=") || file.startsWith("-")
    ? ["sh", "-c", 'exec "$0" "$@"', file, ...rest]
    : [file, ...rest];
}

/** Runs the stages; what they say before the command begins becomes the error where they fail. */
async function watched(
  argv: readonly string[],
  env: Record<string, string>,
  command: Command,
  call: Call,
  onBegun: () => void,
): Promise<Exit> {
  const [file = "unshare", ...args] = argv;
  let begun = false;
  let said = "";
  const report = (chunk: Uint8Array): void => {
    if (begun) return;
    const text = Buffer.from(chunk).toString();
    begun = text.includes("\u0001");
    if (begun) onBegun();
    if (said.length < REPORT_LIMIT) said += text;
  };
  let exit: Exit;
  try {
    exit = await runChild({ file, args, env, cwd: "/", report }, command, call);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new VolumeError("view-failed", `cannot start ${file}: ${messageOf(error)}`, {
      ...(errno(error) === "ENOENT" ? { hint: "install util-linux" } : {}),
      cause: error,
    });
  }
  if (begun || (exit.signal !== undefined && said === "")) return exit;
  const why = printable(said.trim().replaceAll("\n", "; ")) || `exit code ${exit.code}`;
  throw new VolumeError("view-failed", `cannot make the private view of this machine: ${why}`, {
    hint: "run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
  });
}

/** Shows a folder at a path that the machine lacks, and looks whether it is there, and is read-only. */
async function probeByDoing(name: string, namespaces: Namespaces, call: Call): Promise<Probe> {
  if (process.platform !== "linux") return { ok: false, why: `${name}: only Linux has mount namespaces` };
  const folder = await mkdtemp(join(tmpdir(), "imgvol-probe-"));
  try {
    // Folders alone: what a kill -9 leaves of them, in the system's own place for what is temporary, holds nothing.
    await makeFolder(join(folder, "source", "seen"));
    const mountPath = `/imgvol-probe-${process.pid}/volume`;
    const test = '[ -e "$0/seen" ] && ! echo 2>/dev/null >"$0/new"';
    const exit = await launch(
      namespaces,
      [{ mountPath, source: join(folder, "source") }],
      { argv: ["sh", "-c", test, mountPath], cwd: "/", stdin: "ignore", stdout: "ignore", stderr: "ignore" },
      call,
    );
    if (await there(mountPath)) return { ok: false, why: `${name}: the mount is seen outside of the view` };
    return exit.code === 0 ? { ok: true } : { ok: false, why: `${name}: the mount is not read-only` };
  } catch (error) {
    if (error instanceof VolumeError) return { ok: false, why: `${name}: ${error.message}` };
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function there(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
