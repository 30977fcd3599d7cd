import { chmod, opendir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errno } from "./errors.ts";

/** Removes a folder whose own folders may forbid it: an image's modes are kept as they are. Never follows a link. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (errno(error) !== "EACCES" && errno(error) !== "EPERM" && errno(error) !== "ENOTEMPTY") throw error;
    await open(path);
    await rm(path, { recursive: true, force: true });
  }
}

/** What vanishes meanwhile is no matter: the first attempt may still be at work elsewhere in the tree. */
async function open(folder: string): Promise<void> {
  try {
    await chmod(folder, 0o700);
    for await (const entry of await opendir(folder)) {
      if (entry.isDirectory()) await open(join(folder, entry.name));
    }
  } catch (error) {
    if (errno(error) !== "ENOENT") throw error;
  }
}
