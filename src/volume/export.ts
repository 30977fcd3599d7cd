import { chmod, mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import {
  asFolderError,
  type Call,
  errno,
  exists,
  type Finding,
  makeFolder,
  sweep,
  workFolder,
} from "../base/index.ts";
import type { Digest, Platform, Store } from "../oci/index.ts";
import { VolumeError } from "./errors.ts";
import type { UnpackLimits } from "./limits.ts";
import { unpack } from "./unpack.ts";
import { volumeImage } from "./volume-image.ts";

export interface ExportOptions {
  /** Default: this machine's. */
  readonly platform?: Platform | undefined;
  readonly limits?: Partial<UnpackLimits>;
}

/** What an export wrote. */
export interface Exported {
  readonly manifest: Digest;
  readonly entries: number;
  /** Of files' contents. */
  readonly bytes: number;
  readonly told: readonly Finding[];
}

/**
 * Writes a volume's files to a folder, for their user to change: unpacked beside it, and renamed when whole.
 *
 * @throws VolumeError `mount-path-busy` where the folder is not empty, BaseError `folder-unwritable`, and what
 *   unpacking throws; then nothing is left
 */
export async function exportTo(
  store: Store,
  tagOrDigest: string,
  dir: string,
  options: ExportOptions,
  call: Call,
): Promise<Exported> {
  const at = resolve(dir);
  const place = { tmp: dirname(at), prefix: `.${basename(at)}.` };
  // Before anything is refused: an export that was killed when all was in place leaves only its empty work folder.
  if (await exists(place.tmp)) await sweep(place);
  await mustBeEmpty(at);
  const image = await volumeImage(store, tagOrDigest, options.platform, call);
  await makeFolder(dirname(at)).catch((error: unknown) => {
    throw asFolderError(error, dirname(at));
  });
  // Beside the folder, on the same disk: the rename is one step.
  await using work = await workFolder(place);
  const root = join(work.path, "root");
  await mkdir(root, { mode: 0o700 });
  const disk = { folder: at, advice: "free some of it, or export to another disk" };
  const to = { root, contents: join(work.path, "contents"), disk };
  const { entries, bytes, told } = await unpack(store, image, to, options.limits ?? {}, call);
  await chmod(root, 0o755);
  await rmdir(at).catch((error: unknown) => {
    if (errno(error) !== "ENOENT") throw error;
  });
  await rename(root, at);
  return { manifest: image.manifest, entries, bytes, told };
}

async function mustBeEmpty(at: string): Promise<void> {
  const names = await readdir(at).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw new VolumeError("mount-path-invalid", `cannot export to ${at}: it is not a folder`, {
      wrongUse: true,
      cause: error,
    });
  });
  if (names.length === 0) return;
  throw new VolumeError("mount-path-busy", `cannot export to ${at}: the folder is not empty`, {
    hint: "name a new folder, or empty this one",
    wrongUse: true,
  });
}
