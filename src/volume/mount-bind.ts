import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Call, errno, isAbort, messageOf, printable } from "../base/index.ts";
import { runChild } from "./child.ts";
import { VolumeError } from "./errors.ts";
import { mountTable } from "./mount-table.ts";
import type { Mounter } from "./mounter.ts";
import type { Probe } from "./view.ts";

const READ_ONLY = "remount,bind,ro,nosuid,nodev";

/** For root on Linux: a bind mount, remounted read-only, nosuid and nodev. */
export const bindMounter: Mounter = {
  name: "bind",
  probe,
  isMounted: async ({ at, source }) => sameVolume((await topmost(at))?.root, source),
  mount: async ({ source, at }, call) => {
    await util(["mount", "--bind", source, at], "mount-failed", call);
    await util(["mount", "-o", READ_ONLY, at], "mount-failed", call);
  },
  unmount: async ({ at, source }, call) => {
    const top = await topmost(at);
    if (top !== undefined && sameVolume(top.root, source))
      await util(["umount", at], "mount-path-busy", call);
  },
};

/** What is seen at a path: the last line about it. */
async function topmost(at: string): Promise<{ root: string; options: readonly string[] } | undefined> {
  return (await mountTable()).findLast((line) => line.mountPoint === at);
}

/** The table names a folder from its file system's root on, which need not be how its path begins on this machine. */
function sameVolume(root: string | undefined, source: string): boolean {
  const tail = (path: string): string | undefined =>
    /\/sha(?:256|512)-[0-9a-f]+\/root(?:\/.*)?$/.exec(path)?.[0];
  return root !== undefined && tail(root) !== undefined && tail(root) === tail(source);
}

let probed: Promise<Probe> | undefined;

function probe(call: Call): Promise<Probe> {
  probed ??= byDoing(call).catch((error: unknown) => {
    probed = undefined;
    throw error;
  });
  return probed;
}

async function byDoing(call: Call): Promise<Probe> {
  if (process.platform !== "linux") return { ok: false, why: "bind: only Linux has bind mounts" };
  if (process.geteuid?.() !== 0) return { ok: false, why: "bind: only root may mount for the whole machine" };
  const folder = await mkdtemp(join(tmpdir(), "imgvol-probe-"));
  const at = join(folder, "at");
  try {
    await mkdir(at);
    await util(["mount", "--bind", folder, at], "mount-failed", call);
    await util(["mount", "-o", READ_ONLY, at], "mount-failed", call);
    const options = (await topmost(at))?.options ?? [];
    return options.includes("ro") ? { ok: true } : { ok: false, why: "bind: the mount is not read-only" };
  } catch (error) {
    if (error instanceof VolumeError) return { ok: false, why: `bind: ${error.message}` };
    throw error;
  } finally {
    if ((await topmost(at)) !== undefined) await util(["umount", at], "mount-failed", call);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a program of util-linux; what it says is the error's message. */
async function util(
  argv: readonly [string, ...string[]],
  code: "mount-failed" | "mount-path-busy",
  call: Call,
): Promise<void> {
  const [file, ...args] = argv;
  const said: Uint8Array[] = [];
  const command = {
    argv,
    stdin: "ignore",
    stdout: "ignore",
    stderr: (c: Uint8Array) => said.push(c),
  } as const;
  let exit: number;
  try {
    exit = (await runChild({ file, args, env: { ...process.env, LC_ALL: "C" } }, command, call)).code;
  } catch (error) {
    if (isAbort(error)) throw error;
    const hint = errno(error) === "ENOENT" ? { hint: "install util-linux" } : {};
    throw new VolumeError("mount-failed", `cannot start ${file}: ${messageOf(error)}`, {
      ...hint,
      cause: error,
    });
  }
  if (exit === 0) return;
  const why = printable(Buffer.concat(said).toString().trim().split("\n")[0] ?? "");
  const busy = code === "mount-path-busy" && /busy/.test(why);
  throw new VolumeError(code, why || `${argv.join(" ")}: exit code ${exit}`, {
    ...(busy
      ? { hint: "a program has a file in it open, or works in it: end that, then run imgvol unmount again" }
      : {}),
  });
}
