import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asFolderError, type Call, errno, makeFolder, tryLock } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { readIndex } from "./layout-index.ts";
import { CORNER } from "./layout-writers.ts";

/** Makes a layout's folder. @returns the topmost folder that was made @throws StoreError `store-invalid` where a file is */
export async function makeLayoutFolder(dir: string): Promise<string | undefined> {
  try {
    return await makeFolder(dir);
  } catch (error) {
    if (errno(error) !== "EEXIST" && errno(error) !== "ENOTDIR") throw asFolderError(error, dir);
    const why = errno(error) === "EEXIST" ? "is a file, not a folder" : "would lie below a file";
    throw new StoreError("store-invalid", `${dir} ${why}`, { wrongUse: true });
  }
}

/**
 * Removes a layout that was made for a write which then failed: nothing is in it that anybody put there, and nobody is at work
 * in it. Otherwise it stays as it is.
 *
 * @param first the topmost folder that was made for it; undefined where the layout's own was there before
 */
export async function discardEmptyLayout(dir: string, first: string | undefined, call: Call): Promise<void> {
  const corner = join(dir, CORNER);
  const held = await tryLock(join(corner, "lock"), "exclusive");
  if (held === undefined) return;
  try {
    if (!(await isEmpty(dir, call))) return;
    // In this order, so that whoever comes between finds no layout rather than half of one.
    for (const name of ["oci-layout", "index.json", "blobs", CORNER]) {
      await rm(join(dir, name), { recursive: true, force: true });
    }
  } finally {
    await held[Symbol.asyncDispose]();
  }
  if (first === undefined) return;
  for (let folder = dir; folder.length >= first.length; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (errno(error) !== "ENOTEMPTY" && errno(error) !== "ENOENT") throw error;
      return;
    }
  }
}

async function isEmpty(dir: string, call: Call): Promise<boolean> {
  if ((await readIndex(join(dir, "index.json"), call)).entries.length > 0) return false;
  for (const folder of [join("blobs", "sha256"), join("blobs", "sha512"), join(CORNER, "writers")]) {
    const names = await readdir(join(dir, folder)).catch((error: unknown) => {
      if (errno(error) === "ENOENT") return [];
      throw error;
    });
    if (names.length > 0) return false;
  }
  return true;
}
