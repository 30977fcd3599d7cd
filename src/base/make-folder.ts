import { constants } from "node:fs";
import { mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { errno } from "./errors.ts";

/** Syncs that have not begun yet, and the ones that run, by folder. */
const waiting = new Map<string, Promise<void>>();
const running = new Map<string, Promise<void>>();

/**
 * Makes a folder's own entries durable: after a rename, the new name survives a power cut. Those who ask while one runs share the
 * next, which begins after all of their renames.
 */
export function syncFolder(path: string): Promise<void> {
  const shared = waiting.get(path);
  if (shared !== undefined) return shared;
  const before = running.get(path) ?? Promise.resolve();
  const next = before
    .catch(() => {})
    .then(async () => {
      waiting.delete(path);
      running.set(path, next);
      await sync(path).finally(() => running.delete(path));
    });
  waiting.set(path, next);
  return next;
}

async function sync(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } catch (error) {
    // fsync(2): a file system that has no such thing for folders. There is nothing more to be done for them.
    if (errno(error) !== "EINVAL") throw error;
  } finally {
    await folder.close();
  }
}

/**
 * Makes a folder, and those above it that are missing; the new names survive a power cut. One step at a time: Node.js's
 * recursive mkdir never ends where a file system, like /proc, answers ENOENT to making a folder in one that is there.
 *
 * @param mode of each folder that is made, before the umask
 * @returns the topmost that was made; undefined where `path` was there
 * @throws the system's error, as mkdir(2) gives it
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string | undefined> {
  const whole = resolve(path);
  const below: string[] = [];
  let first: string | undefined;
  for (let at = whole; ; at = dirname(at)) {
    const step = await make(at, mode);
    if (step === "made") first = at;
    if (step !== "parent-missing") break;
    below.push(at);
  }
  for (const at of below.reverse()) {
    const step = await make(at, mode);
    if (step === "parent-missing") throw notThere(at);
    if (step === "made") first ??= at;
  }
  if (first === undefined) return undefined;
  for (let made = whole; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first) return first;
  }
}

async function make(path: string, mode: number): Promise<"made" | "there" | "parent-missing"> {
  try {
    await mkdir(path, { mode });
    return "made";
  } catch (error) {
    if (errno(error) === "ENOENT" && dirname(path) !== path) return "parent-missing";
    // A read-only disk, or a folder above that is not ours, may refuse what is there already.
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() === true) return "there";
    throw error;
  }
}

/** As the system words it; it said so twice, with the parent there in between. */
function notThere(path: string): Error {
  const said = `ENOENT: no such file or directory, mkdir '${path}'`;
  return Object.assign(new Error(said), { code: "ENOENT", syscall: "mkdir", path });
}
