import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { makeFolder, tryLock } from "../base/index.ts";

/** What a registry makes in its folder before anybody has come. */
const OURS: ReadonlySet<string> = new Set(["_lock", "_control", "_uploads", "_mirror.db"]);

/** A folder that is made for a registry. Dispose takes it away again where it was not `used`, and nothing else is in it. */
export interface FreshFolder extends AsyncDisposable {
  used(): void;
}

/** Makes the folder where it is missing; one that was there already is never taken away. */
export async function freshFolder(dir: string): Promise<FreshFolder> {
  // Why it cannot be made, whoever opens it says.
  const first = await makeFolder(dir).catch(() => undefined);
  let used = false;
  return {
    used() {
      used = true;
    },
    async [Symbol.asyncDispose]() {
      // It is no failure of its own if something stays: why the registry did not start is what is told.
      if (!used && first !== undefined) await remove(resolve(dir), first).catch(() => {});
    },
  };
}

/** @param first the topmost folder that was made for it */
async function remove(root: string, first: string): Promise<void> {
  const names = await readdir(root);
  if (names.some((name) => !OURS.has(name))) return;
  {
    // Another server may have come as soon as ours let go of it.
    await using held = await tryLock(join(root, "_lock"), "exclusive");
    if (held === undefined) return;
    for (const name of ["_control", "_uploads"]) if (names.includes(name)) await rmdir(join(root, name));
    await rm(join(root, "_mirror.db"), { force: true });
    await rm(join(root, "_lock"), { force: true });
  }
  for (let folder = root; folder.length >= first.length; folder = dirname(folder)) await rmdir(folder);
}
