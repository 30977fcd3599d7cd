import { mkdir, readdir, realpath, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { asFolderError, type Call, errno, lock, shellWord } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import { bootId } from "./boot.ts";
import type { CachedVolume } from "./cache.ts";
import { type CacheFolder, openCacheFolder } from "./cache-folder.ts";
import { VolumeError } from "./errors.ts";
import { bindMounter } from "./mount-bind.ts";
import { copyMounter } from "./mount-copy.ts";
import { type MountRecord, readMount, removeMount, writeMount } from "./mount-record.ts";
import { mountNamespace } from "./mount-table.ts";
import type { Mounter } from "./mounter.ts";
import { resolveSubPath } from "./sub-path.ts";

const MOUNTERS: readonly Mounter[] = [bindMounter, copyMounter];

/**
 * Shows a volume at a folder, to every process on the machine, read-only. Doing it again changes nothing. An existing folder
 * must be empty; a missing one is made, and goes again with `unmount`.
 *
 * @throws VolumeError `mount-path-busy`, `mount-path-invalid`, `mount-failed`, `subpath-…`
 */
export async function mount(
  cachePath: string,
  volume: CachedVolume,
  dir: string,
  options: { readonly subPath?: string; readonly mounters?: readonly Mounter[] },
  call: Call,
): Promise<MountRecord> {
  const folder = await openCacheFolder(cachePath);
  const source = await resolveSubPath(volume.root, options.subPath ?? "");
  const at = await settled(dir);
  await using _busy = await lock(join(folder.locks, "mounts"), "exclusive", call);
  const before = await readMount(folder, at);
  if (before !== undefined) {
    if (await isMounted(before, call)) {
      if (before.source === source) return before;
      throw alreadyMounted(before);
    }
    await takeAway(folder, before, call);
  }
  const mounter = await choose(options.mounters ?? MOUNTERS, call);
  const made = await emptyFolder(at);
  const record: MountRecord = {
    at,
    mounter: mounter.name,
    manifest: volume.manifest,
    reference: volume.reference,
    source,
    made,
    boot: await bootId(),
    namespace: await mountNamespace(),
    complete: false,
  };
  await writeMount(folder, record);
  try {
    await mounter.mount(record, call);
    const complete = { ...record, complete: true };
    await writeMount(folder, complete);
    return complete;
  } catch (error) {
    await takeAway(folder, record, call);
    throw error;
  }
}

/**
 * Tells, before anything is downloaded, that an image cannot be mounted at a folder. `mount` looks again.
 * @param manifest of the image's platform
 * @throws VolumeError `mount-path-busy`, `mount-path-invalid`
 */
export async function checkMountPoint(
  cachePath: string,
  dir: string,
  manifest: Digest,
  call: Call,
): Promise<void> {
  const folder = await openCacheFolder(cachePath);
  const at = await settled(dir);
  const before = await readMount(folder, at);
  if (before === undefined) await mustBeEmpty(at);
  else if (before.manifest !== manifest && (await isMounted(before, call))) throw alreadyMounted(before);
}

async function isMounted(record: MountRecord, call: Call): Promise<boolean> {
  const by = MOUNTERS.find((m) => m.name === record.mounter);
  return record.complete && by !== undefined && (await by.isMounted(record, call));
}

function alreadyMounted({ reference, at }: MountRecord): VolumeError {
  return new VolumeError("mount-path-busy", `${reference} is already mounted at ${at}`, {
    hint: `imgvol unmount ${shellWord(at)}`,
  });
}

/**
 * Takes away what `mount` made at a folder.
 * @throws VolumeError `not-mounted`, `mount-path-busy` where a process still uses it
 */
export async function unmount(cachePath: string, dir: string, call: Call): Promise<MountRecord> {
  const folder = await openCacheFolder(cachePath);
  // Where even the parent is missing, nothing is mounted: no need for other words.
  const at = await settled(dir).catch(() => resolve(dir));
  await using _busy = await lock(join(folder.locks, "mounts"), "exclusive", call);
  const record = await readMount(folder, at);
  if (record === undefined) {
    throw new VolumeError("not-mounted", `imgvol has mounted nothing at ${at}`, { wrongUse: true });
  }
  await takeAway(folder, record, call);
  return record;
}

/** Also of a mount that was cut short, or that the machine's restart took away. The record goes last. */
async function takeAway(folder: CacheFolder, record: MountRecord, call: Call): Promise<void> {
  const mounter = MOUNTERS.find((m) => m.name === record.mounter);
  // What must be undone, must be undone also when the caller was cancelled.
  await mounter?.unmount(record, { ...call, signal: new AbortController().signal });
  if (record.made) {
    await rmdir(record.at).catch((error: unknown) => {
      if (errno(error) !== "ENOENT" && errno(error) !== "ENOTEMPTY") throw error;
    });
  }
  await removeMount(folder, record.at);
}

async function choose(mounters: readonly Mounter[], call: Call): Promise<Mounter> {
  const reasons: string[] = [];
  for (const mounter of mounters) {
    const probe = await mounter.probe(call);
    if (probe.ok) return mounter;
    reasons.push(probe.why);
  }
  throw new VolumeError("mount-failed", `nothing can be mounted here: ${reasons.join("; ")}`);
}

/** Absolute, with the links of its parent resolved, so that one place has one record. */
async function settled(dir: string): Promise<string> {
  const at = resolve(dir);
  try {
    return await realpath(at);
  } catch {
    const parent = await realpath(dirname(at)).catch(() => undefined);
    if (parent !== undefined) return join(parent, basename(at));
    throw new VolumeError("mount-path-invalid", `cannot mount at ${dir}: ${dirname(at)} does not exist`, {
      wrongUse: true,
    });
  }
}

/** @returns whether it was made */
async function emptyFolder(at: string): Promise<boolean> {
  try {
    await mkdir(at);
    return true;
  } catch (error) {
    if (errno(error) !== "EEXIST") throw asFolderError(error, dirname(at));
  }
  await mustBeEmpty(at);
  return false;
}

/** A folder that is not there is as good. */
async function mustBeEmpty(at: string): Promise<void> {
  const names = await readdir(at).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw new VolumeError("mount-path-invalid", `cannot mount at ${at}: it is not a folder`, {
      wrongUse: true,
      cause: error,
    });
  });
  if (names.length === 0) return;
  throw new VolumeError("mount-path-busy", `cannot mount at ${at}: the folder is not empty`, {
    wrongUse: true,
  });
}
