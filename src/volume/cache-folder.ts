import { chmod, lstat, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { asDiskError, makeFolder } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import { VolumeError } from "./errors.ts";

/** Where things are in a node cache. */
export interface CacheFolder {
  readonly path: string;
  /** `sha256-HEX/`: one unpacked volume each, named by its platform's manifest. Whatever is here is whole. */
  readonly volumes: string;
  /** Work of living processes, each with a lock beside it, and leftovers of dead ones. */
  readonly tmp: string;
  readonly locks: string;
  /** Records of what is mounted on the machine. */
  readonly mounts: string;
}

/** `IMGVOL_CACHE`, else `$XDG_CACHE_HOME/imgvol`, else `~/.cache/imgvol`. */
export function defaultCacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const own = env["IMGVOL_CACHE"];
  if (own !== undefined && own !== "") return resolve(own);
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  const base = xdg?.startsWith("/") === true ? xdg : join(env["HOME"] || homedir(), ".cache");
  return join(base, "imgvol");
}

/**
 * Opens a cache's folder, making it if it is missing: the caller's own, and closed to others. What is mounted from here
 * becomes code in other programs, so root uses no folder that another user could exchange.
 * @throws VolumeError `cache-unsafe`, `cache-unwritable`
 */
export async function openCacheFolder(dir: string): Promise<CacheFolder> {
  await makePrivate(dir);
  const path = await realpath(dir);
  const uid = process.geteuid?.();
  const found = await stat(path);
  if (uid !== undefined) {
    if (found.uid !== uid) throw unsafe(path, `belongs to user ${found.uid}, not to ${uid}`);
    if ((found.mode & 0o077) !== 0) await chmod(path, 0o700);
    if (uid === 0) await mustBeOutOfReach(dirname(path), path);
  }
  const folder = {
    path,
    volumes: join(path, "volumes"),
    tmp: join(path, "tmp"),
    locks: join(path, "locks"),
    mounts: join(path, "mounts"),
  };
  for (const sub of [folder.volumes, folder.tmp, folder.locks, folder.mounts]) {
    await makePrivate(sub);
    if (!(await lstat(sub)).isDirectory()) throw unsafe(path, `${sub} is not a folder`);
  }
  return folder;
}

async function makePrivate(folder: string): Promise<void> {
  try {
    await makeFolder(folder, 0o700);
  } catch (error) {
    const cause = asDiskError(error, folder);
    if (cause !== error) throw cause;
    throw new VolumeError("cache-unwritable", `the node cache ${folder} cannot be made`, {
      hint: "set IMGVOL_CACHE to a folder that you can write to",
      cause,
    });
  }
}

/** No other user than root may be able to rename the cache away and put another in its place. */
async function mustBeOutOfReach(folder: string, cache: string): Promise<void> {
  const found = await stat(folder);
  const sticky = (found.mode & 0o1000) !== 0;
  if (found.uid !== 0) throw unsafe(cache, `user ${found.uid} owns ${folder} and could exchange it`);
  if ((found.mode & 0o022) !== 0 && !sticky) throw unsafe(cache, `others can write to ${folder}`);
  if (folder !== "/") await mustBeOutOfReach(dirname(folder), cache);
}

function unsafe(path: string, why: string): VolumeError {
  return new VolumeError("cache-unsafe", `the node cache ${path} cannot be trusted: ${why}`, {
    hint: "set IMGVOL_CACHE to a folder of your own",
  });
}

/** A volume's name in the cache. */
export function volumeName(manifest: Digest): string {
  return manifest.replace(":", "-");
}

/** The lock held by whoever uses a volume (shared), and by whoever removes it (exclusive). */
export function useLock(folder: CacheFolder, name: string): string {
  return join(folder.locks, `${name}.use`);
}
