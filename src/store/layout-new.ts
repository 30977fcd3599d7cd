import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Call, errno, exists, makeFolder, tryLock } from "../base/index.ts";
import { MANIFEST_LIMIT, StoreError } from "../oci/index.ts";
import { EMPTY_INDEX, formatIndex, readIndex, readJson } from "./layout-index.ts";
import { CORNER, type Writers } from "./layout-writers.ts";

const VERSION = "1.0.0";

/** The content of a layout's `oci-layout`. */
export const MARKER: Uint8Array = Buffer.from(JSON.stringify({ imageLayoutVersion: VERSION }));

/** @throws StoreError `store-invalid` where `json`, which lies at `path`, is not of a version that we know */
export function checkVersion(json: Readonly<Record<string, unknown>>, path: string): void {
  const version = json["imageLayoutVersion"];
  if (typeof version === "string" && version.startsWith("1.")) return;
  throw new StoreError(
    "store-invalid",
    `${path} has imageLayoutVersion ${JSON.stringify(version)}, not ${VERSION}`,
  );
}

/** @throws StoreError `not-found` where there is no folder, `store-invalid` where it is no layout */
export async function checkLayout(dir: string, call: Call): Promise<void> {
  if (!(await exists(dir))) throw new StoreError("not-found", `oci:${dir}: there is no such folder`);
  if ((await stat(dir).catch(() => undefined))?.isFile() === true) {
    throw new StoreError("store-invalid", `oci:${dir}: it is a file, not a folder`, {
      hint: `if it is an archive, write oci-archive:${dir}`,
      wrongUse: true,
    });
  }
  const path = join(dir, "oci-layout");
  checkVersion((await readJson(path, call, MANIFEST_LIMIT)).json, path);
  await readIndex(join(dir, "index.json"), call);
}

/**
 * Makes a layout in a folder that is missing, empty or a half-made layout. Another process may do the same just now.
 * @returns undefined where another was first; else the topmost folder that was made for it
 * @throws StoreError `store-invalid` where a file is, or something else in the folder
 */
export async function createLayout(
  dir: string,
  writers: Writers,
  call: Call,
): Promise<{ readonly first: string | undefined } | undefined> {
  const first = await makeStoreFolder(dir);
  const ours = new Set([CORNER, "blobs", "index.json", "oci-layout"]);
  const foreign = (await readdir(dir)).find((name) => !ours.has(name));
  if (foreign !== undefined) {
    throw new StoreError("store-invalid", `${dir} is no image layout, and has ${foreign} in it`, {
      hint: "name an image layout, or a folder that is new or empty",
    });
  }
  return await writers.exclusively(call, async () => {
    if (await exists(join(dir, "oci-layout"))) return undefined;
    await makeFolder(join(dir, "blobs", "sha256"));
    const index = join(dir, "index.json");
    if (!(await exists(index))) await writers.replace(index, formatIndex(EMPTY_INDEX));
    // Last: what has an oci-layout file is whole.
    await writers.replace(join(dir, "oci-layout"), MARKER);
    return { first };
  });
}

/** @returns the topmost folder that was made, if any @throws StoreError `store-invalid` where a file is */
export async function makeStoreFolder(dir: string): Promise<string | undefined> {
  try {
    return await makeFolder(dir);
  } catch (error) {
    if (errno(error) !== "EEXIST" && errno(error) !== "ENOTDIR") throw error;
    const why = errno(error) === "EEXIST" ? "is a file, not a folder" : "would lie below a file";
    throw new StoreError("store-invalid", `${dir} ${why}`, {
      hint: `for an archive in one file, write oci-archive: in the place of oci:`,
      wrongUse: true,
    });
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
  if (first !== undefined) await removeEmptyFolders(dir, first);
}

/** Removes `dir` and the folders above it, up to `first`, that have nothing in them. */
export async function removeEmptyFolders(dir: string, first: string): Promise<void> {
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
