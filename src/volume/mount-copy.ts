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
import { asDiskError, type Call } from "../base/index.ts";
import type { Mounter } from "./mounter.ts";
import { removeTree } from "./remove-tree.ts";

/**
 * Where nothing can be mounted: a copy without write permission, shared with the original where the disk can (reflink).
 * The mode is all that makes it read-only: its owner could change that.
 */
export const copyMounter: Mounter = {
  name: "copy",
  probe: async () => ({ ok: true }),
  isMounted: async ({ at }) => (await readdir(at).catch(() => [])).length > 0,
  mount: async ({ source, at }, call) => {
    try {
      await copyTree(source, at, new Map(), call);
      await chmod(at, 0o555);
    } catch (error) {
      throw asDiskError(error, at);
    }
  },
  unmount: async ({ at }) => {
    const found = await lstat(at).catch(() => undefined);
    if (found === undefined || !found.isDirectory()) return;
    await chmod(at, 0o755);
    for (const name of await readdir(at)) await remove(join(at, name));
  },
};

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
