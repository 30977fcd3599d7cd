import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { tryLock } from "../base/index.ts";
import type { CacheFolder } from "./cache-folder.ts";
import { removeTree } from "./remove-tree.ts";

/** A folder for one process's work. Its lock says that the process lives: whoever can take the lock may sweep. */
export async function workFolder(folder: CacheFolder): Promise<{ path: string } & AsyncDisposable> {
  for (;;) {
    const path = join(folder.tmp, crypto.randomUUID());
    const held = await tryLock(`${path}.lock`, "exclusive");
    // A sweep came between the lock's file and the lock.
    if (held === undefined) continue;
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
export async function sweep(folder: CacheFolder): Promise<number> {
  const works = new Set((await readdir(folder.tmp)).map((name) => name.replace(/\..*$/, "")));
  let swept = 0;
  for (const name of works) {
    const path = join(folder.tmp, name);
    const held = await tryLock(`${path}.lock`, "exclusive");
    if (held === undefined) continue;
    await removeWork(path);
    await held[Symbol.asyncDispose]();
    swept++;
  }
  return swept;
}

/** The lock goes last: as long as there is something, it has its lock. */
async function removeWork(path: string): Promise<void> {
  await removeTree(path);
  await removeTree(`${path}.old`);
  await rm(`${path}.lock`, { force: true });
}
