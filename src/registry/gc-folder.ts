import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, errno, exists } from "../base/index.ts";
import type { Backing } from "./backing.ts";
import { askControl } from "./control.ts";
import { RegistryError } from "./errors.ts";
import { folderBacking } from "./folder-backing.ts";
import type { GcOptions, GcReport } from "./gc-report.ts";
import { registryHandler } from "./handler.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

/** A server has its lock a moment before it can be asked, and after. */
const WAIT_MS = 5000;
const PAUSE_MS = 250;

/**
 * Takes away what nothing needs from a registry's folder. One process owns the folder, always: where a server does, it is
 * asked to, and does it while it serves.
 *
 * @param wait for a process that can neither be asked nor has ended, in milliseconds
 * @throws RegistryError `folder-unusable`, `registry-locked`, `gc-failed`
 */
export async function collectFolder(
  dir: string,
  options: GcOptions,
  call: Call,
  wait: number = WAIT_MS,
): Promise<GcReport> {
  if (!(await exists(join(dir, "_lock")))) {
    throw new RegistryError("folder-unusable", `${dir} is not the folder of a registry`, {
      hint: "name the folder that imgvol registry serve --dir was given",
    });
  }
  for (let left = wait; ; left -= PAUSE_MS) {
    call.signal.throwIfAborted();
    const backing = await own(dir);
    if (backing !== undefined) return await collectAlone(backing, options, call);
    const report = await asked(dir, options, call);
    if (report !== undefined) return report;
    if (left <= 0) break;
    await sleep(PAUSE_MS, undefined, { signal: call.signal });
  }
  throw new RegistryError("registry-locked", `another process has the folder ${dir}, and cannot be asked`, {
    hint: "wait for the gc that runs there, or end the server first",
  });
}

/** Undefined where another process has the folder. */
async function own(dir: string): Promise<Backing | undefined> {
  try {
    return await folderBacking(dir);
  } catch (error) {
    if (error instanceof RegistryError && error.code === "registry-locked") return undefined;
    throw error;
  }
}

async function collectAlone(backing: Backing, options: GcOptions, call: Call): Promise<GcReport> {
  try {
    // Uploads may wait for a server that is down for longer than one that runs would wait for their client.
    const uploadIdle = Math.max(DEFAULT_LIMITS.uploadIdle, options.grace ?? 0);
    await using registry = registryHandler(backing, { limits: { uploadIdle } });
    return await registry.collect(options, call);
  } finally {
    await backing[Symbol.asyncDispose]();
  }
}

async function asked(dir: string, options: GcOptions, call: Call): Promise<GcReport | undefined> {
  try {
    return await askControl(dir, options, call);
  } catch (error) {
    if (errno(error) !== "EACCES" && errno(error) !== "EPERM") throw error;
    throw new RegistryError("registry-locked", `the server of ${dir} belongs to another user`, {
      hint: "run gc as the user who serves the registry",
      cause: error,
    });
  }
}
