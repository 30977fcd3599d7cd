import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errno } from "./errors.ts";
import { exists } from "./files.ts";
import { tryLock } from "./lock.ts";
import { removeTree } from "./remove-tree.ts";

/** Where work is done: a folder of its own, or one that it shares with other things and where its names begin with `prefix`. */
export interface WorkPlace {
  readonly tmp: string;
  readonly prefix?: string;
}

/**
 * A private (0700) folder for one process's work, in a folder that is there. Its lock says that the process lives, however that
 * one ends: whoever can take the lock may sweep. Disposing removes it.
 */
export async function workFolder(place: WorkPlace): Promise<{ readonly path: string } & AsyncDisposable> {
  for (;;) {
    const path = join(place.tmp, `${place.prefix ?? ""}${crypto.randomUUID()}`);
    const held = await tryLock(`${path}.lock`, "exclusive");
    // A sweep came between the lock's file and the lock, and may have taken the file away.
    if (held === undefined) continue;
    if (!(await exists(`${path}.lock`))) {
      await held[Symbol.asyncDispose]();
      continue;
    }
    await mkdir(path, { mode: 0o700 });
    return {
      path,
      async [Symbol.asyncDispose]() {
        await removeWork(path);
        await held[Symbol.asyncDispose]();
      },
    };
  }
}

/** Removes what processes left that ended before their work did. @returns how many there were */
export async function sweep({ tmp, prefix = "" }: WorkPlace): Promise<number> {
  const works = new Set<string>();
  for (const name of await readdir(tmp)) {
    const id = name.startsWith(prefix) ? /^[0-9a-f-]{36}/.exec(name.slice(prefix.length))?.[0] : undefined;
    if (id !== undefined) works.add(join(tmp, prefix + id));
  }
  let swept = 0;
  for (const path of works) {
    if (!(await isOurs(`${path}.lock`))) continue;
    const held = await tryLock(`${path}.lock`, "exclusive");
    if (held === undefined) continue;
    await removeWork(path);
    await held[Symbol.asyncDispose]();
    swept++;
  }
  return swept;
}

/** Not another user's, and no link: a shared folder may hold names that were made to look like ours. */
async function isOurs(lock: string): Promise<boolean> {
  try {
    const found = await lstat(lock);
    return found.isFile() && (process.geteuid === undefined || found.uid === process.geteuid());
  } catch (error) {
    if (errno(error) === "ENOENT") return false;
    throw error;
  }
}

/** The lock goes last: as long as there is something, it has its lock. */
async function removeWork(path: string): Promise<void> {
  await removeTree(path);
  await removeTree(`${path}.old`);
  await rm(`${path}.lock`, { force: true });
}
