import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { asFolderError, tryLock } from "../base/index.ts";

/** A folder for work in progress. Disposing removes it. */
export interface Workspace extends AsyncDisposable {
  readonly path: string;
}

const swept = new Set<string>();

/**
 * A new, private folder below the cache. A lock beside it is held until it is disposed of, so that what a killed
 * process left behind can be told from what is in use, and is removed by the next one.
 * @throws BaseError `folder-unwritable`
 */
export async function workspace(cache: string): Promise<Workspace> {
  const parent = join(cache, "work");
  await mkdir(parent, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw asFolderError(error, parent, "set IMGVOL_CACHE to a folder that you can write to");
  });
  if (!swept.has(parent)) await sweep(parent);
  swept.add(parent);
  for (;;) {
    const path = join(parent, randomBytes(8).toString("hex"));
    const held = await tryLock(`${path}.lock`, "exclusive");
    // Another process swept the lock in the moment between its making and its locking.
    if (held === undefined) continue;
    await mkdir(path, { mode: 0o700 });
    return { path, [Symbol.asyncDispose]: () => remove(path, held) };
  }
}

async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.endsWith(".lock")) continue;
    const path = join(parent, name.slice(0, -".lock".length));
    const held = await tryLock(`${path}.lock`, "exclusive");
    if (held !== undefined) await remove(path, held);
  }
}

/** The lock goes last: it is what makes the folder known. */
async function remove(path: string, held: AsyncDisposable): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
  await rm(`${path}.lock`, { force: true });
  await held[Symbol.asyncDispose]();
}
