import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  opendir,
  readdir,
  readlink,
  rm,
  symlink,
} from "node:fs/promises";
import { join } from "node:path";
import { asDiskError, type Call, removeTree } from "../base/index.ts";
import { VolumeError } from "./errors.ts";
import type { Mounter } from "./mounter.ts";

/**
 * The modes of a copy's folder, being filled or emptied, and whole. Nobody's own folder has them by chance: what has not, may
 * be the user's by now, and is left alone.
 */
const WORKED_ON = 0o1700;
const WHOLE = 0o555;

/**
 * Where nothing can be mounted: a copy without write permission, shared with the original where the disk can (reflink).
 * The mode is all that makes it read-only: its owner could change that.
 */
export const copyMounter: Mounter = {
  name: "copy",
  probe: async () => ({ ok: true }),
  isMounted: async ({ at }) => (await modeOf(at)) === WHOLE && (await readdir(at)).length > 0,
  mount: async ({ source, at }, call) => {
    try {
      await chmod(at, WORKED_ON);
      await copyTree(source, at, new Map(), call);
      await chmod(at, WHOLE);
    } catch (error) {
      throw asDiskError(error, at);
    }
  },
  unmount: async ({ at }) => {
    const mode = await modeOf(at);
    if (mode === undefined) return;
    const names = await readdir(at);
    if (mode === WHOLE || mode === WORKED_ON) {
      await chmod(at, WORKED_ON);
      for (const name of names) await remove(join(at, name));
      await chmod(at, 0o755);
    } else if (names.length > 0) {
      throw new VolumeError("mount-path-busy", `${at} is not as imgvol left it: nothing in it was removed`, {
        hint: "empty it yourself, then run imgvol unmount again",
      });
    }
  },
};

/** Of a folder; undefined where there is none. */
async function modeOf(at: string): Promise<number | undefined> {
  const found = await lstat(at).catch(() => undefined);
  return found?.isDirectory() ? found.mode & 0o7777 : undefined;
}

async function remove(path: string): Promise<void> {
  if ((await lstat(path)).isDirectory()) await removeTree(path);
  else await rm(path, { force: true });
}

/** @param seen files by inode, so that hard links stay links */
async function copyTree(from: string, to: string, seen: Map<number, string>, call: Call): Promise<void> {
  for await (const entry of await opendir(from)) {
    call.signal.throwIfAborted();
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (entry.isDirectory()) {
      await mkdir(target, { mode: 0o700 });
      await copyTree(source, target, seen, call);
      await chmod(target, (await lstat(source)).mode & 0o555);
    } else await copyOne(source, target, seen);
  }
}

async function copyOne(source: string, target: string, seen: Map<number, string>): Promise<void> {
  const { ino, nlink, mode } = await lstat(source);
  const first = nlink > 1 ? seen.get(ino) : undefined;
  if (first !== undefined) {
    await link(first, target);
    return;
  }
  await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await chmod(target, mode & 0o555);
  if (nlink > 1) seen.set(ino, target);
}
