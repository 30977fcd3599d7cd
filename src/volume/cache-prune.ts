import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { type Call, sweep, tryLock, workFolder } from "../base/index.ts";
import { bootId } from "./boot.ts";
import { type CacheFolder, useLock, volumeName } from "./cache-folder.ts";
import { readMounts } from "./mount-record.ts";
import { mountNamespace, mountTable } from "./mount-table.ts";
import { readRecord, type VolumeRecord, writeRecord } from "./volume-record.ts";

export type ListedVolume = VolumeRecord & {
  readonly root: string;
  /** A process holds it, or it is mounted. */
  readonly inUse: boolean;
};

/** Which volumes go, of those that nothing uses. Several conditions add up; without any, only leftovers and damaged ones. */
export interface PruneOptions {
  readonly all?: boolean;
  /** Not used for this long, in milliseconds. */
  readonly olderThan?: number;
  /** The longest unused, until what is left has at most this many bytes. */
  readonly keepBytes?: number;
}

export interface Pruned {
  readonly removed: readonly VolumeRecord[];
  /** Would have gone, but are in use. */
  readonly kept: readonly VolumeRecord[];
  /** Unfinished work of dead processes. */
  readonly swept: number;
}

/** What is in the cache, the longest unused first. */
export async function listVolumes(folder: CacheFolder, call: Call): Promise<ListedVolume[]> {
  const mounted = await mountedVolumes(folder);
  const listed: ListedVolume[] = [];
  for (const name of await readdir(folder.volumes)) {
    call.signal.throwIfAborted();
    const at = join(folder.volumes, name);
    const record = await readRecord(at);
    if (record === undefined || volumeName(record.manifest) !== name) continue;
    listed.push({
      ...record,
      root: join(at, "root"),
      inUse: mounted.has(name) || (await isHeld(folder, name)),
    });
  }
  return listed.sort((a, b) => a.used - b.used);
}

async function isHeld(folder: CacheFolder, name: string): Promise<boolean> {
  const free = await tryLock(useLock(folder, name), "exclusive");
  await free?.[Symbol.asyncDispose]();
  return free === undefined;
}

export async function pruneVolumes(folder: CacheFolder, options: PruneOptions, call: Call): Promise<Pruned> {
  const swept = await sweep(folder);
  const removed: VolumeRecord[] = [];
  const kept: VolumeRecord[] = [];
  const listed = await listVolumes(folder, call);
  let total = listed.reduce((sum, { bytes }) => sum + bytes, 0);
  const now = Date.now();
  for (const { root: _root, inUse: _inUse, ...record } of listed) {
    const old = options.olderThan !== undefined && now - record.used >= options.olderThan;
    const over = options.keepBytes !== undefined && total > options.keepBytes;
    if (!(options.all === true || record.damaged === true || old || over)) continue;
    if (await remove(folder, volumeName(record.manifest))) {
      removed.push(record);
      total -= record.bytes;
    } else kept.push(record);
  }
  const known = new Set(listed.map(({ manifest }) => volumeName(manifest)));
  for (const name of await readdir(folder.volumes)) {
    if (!known.has(name) && (await readRecord(join(folder.volumes, name))) === undefined)
      await remove(folder, name);
  }
  return { removed, kept, swept };
}

/** Takes a volume out of sight, then removes it. False where it is in use. */
async function remove(folder: CacheFolder, name: string): Promise<boolean> {
  return await unlessInUse(folder, name, async () => {
    await using work = await workFolder(folder);
    await rename(join(folder.volumes, name), join(work.path, name));
  });
}

/** Says of a volume that it is not to be used again. False where it is in use: what runs goes on as it is. */
export async function markDamaged(folder: CacheFolder, record: VolumeRecord): Promise<boolean> {
  const name = volumeName(record.manifest);
  const at = join(folder.volumes, name);
  return await unlessInUse(folder, name, async () => {
    // It may have been removed since it was checked, or unpacked anew.
    if ((await readRecord(at))?.created === record.created)
      await writeRecord(at, { ...record, damaged: true });
  });
}

/** Does something to a volume while no process can begin to use it. False, and nothing done, where one does. */
async function unlessInUse(folder: CacheFolder, name: string, act: () => Promise<void>): Promise<boolean> {
  const held = await tryLock(useLock(folder, name), "exclusive");
  if (held === undefined) return false;
  try {
    // Under the lock, for a mount is made while its maker holds the volume.
    if ((await mountedVolumes(folder)).has(name)) return false;
    await act();
    return true;
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

/** Names of volumes that are mounted: as this process sees it, or as the records of other mount namespaces say. */
async function mountedVolumes(folder: CacheFolder): Promise<Set<string>> {
  const names = new Set<string>();
  for (const { root } of await mountTable()) {
    const name = /\/volumes\/(sha(?:256|512)-[0-9a-f]+)\/root(?:\/|$)/.exec(root)?.[1];
    if (name !== undefined) names.add(name);
  }
  const [boot, namespace] = await Promise.all([bootId(), mountNamespace()]);
  for (const record of await readMounts(folder)) {
    if (record.mounter === "bind" && record.boot === boot && record.namespace !== namespace) {
      names.add(volumeName(record.manifest));
    }
  }
  return names;
}
