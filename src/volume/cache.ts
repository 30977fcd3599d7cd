import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { type Call, lock, printable, sweep, syncFolder, workFolder } from "../base/index.ts";
import type { Digest, Finding, Platform, Store } from "../oci/index.ts";
import { bootId } from "./boot.ts";
import {
  type CacheFolder,
  defaultCacheFolder,
  openCacheFolder,
  useLock,
  volumeName,
} from "./cache-folder.ts";
import {
  type ListedVolume,
  listVolumes,
  markDamaged,
  type Pruned,
  type PruneOptions,
  pruneVolumes,
} from "./cache-prune.ts";
import type { UnpackLimits } from "./limits.ts";
import { unpack } from "./unpack.ts";
import { verifyTree } from "./verify.ts";
import { type VolumeImage, volumeImage } from "./volume-image.ts";
import { readRecord, type VolumeRecord, writeRecord } from "./volume-record.ts";

/** An unpacked volume that cannot be pruned while it is held. */
export interface CachedVolume extends AsyncDisposable {
  /** Of the platform's manifest. */
  readonly manifest: Digest;
  /** Of what the reference names: the index, or the manifest again. */
  readonly digest: Digest;
  readonly reference: string;
  /** The volume's root: a folder of mode 0755. Nobody may write below it. */
  readonly root: string;
  /** What unpacking left out or changed; empty where it had been unpacked before. */
  readonly told: readonly Finding[];
}

export interface VolumeOptions {
  /** Default: this machine's. */
  readonly platform?: Platform | undefined;
  readonly limits?: Partial<UnpackLimits>;
  /** For messages and the list; default: the store's origin and what was asked of it. */
  readonly reference?: string;
}

/** Unpacked volumes by manifest digest, shared by all processes of one user. */
export interface Cache {
  readonly path: string;
  /**
   * The volume that a tag or digest of a store names, unpacked if it is not there. Of several processes that want the same one,
   * one unpacks and the others wait. What is seen is whole: it appears by a rename.
   * @throws what `volumeImage` and `unpack` throw
   */
  volume(store: Store, tagOrDigest: string, options: VolumeOptions, call: Call): Promise<CachedVolume>;
  list(call: Call): Promise<ListedVolume[]>;
  /** Removes volumes that nothing uses, and what dead processes left. */
  prune(options: PruneOptions, call: Call): Promise<Pruned>;
  /** Reads every volume and compares it with what was unpacked. A damaged one is unpacked anew when it is next used. */
  verify(call: Call): Promise<VerifiedVolume[]>;
}

export type VerifiedVolume = VolumeRecord & { readonly findings: readonly Finding[] };

/** Opens the node cache at `dir`, making it where it is missing. @throws VolumeError `cache-unsafe` */
export async function openCache(dir: string = defaultCacheFolder()): Promise<Cache> {
  const folder = await openCacheFolder(dir);
  return {
    path: folder.path,
    volume: (store, tagOrDigest, options, call) => volume(folder, store, tagOrDigest, options, call),
    list: (call) => listVolumes(folder, call),
    prune: (options, call) => pruneVolumes(folder, options, call),
    verify: (call) => verifyAll(folder, call),
  };
}

async function volume(
  folder: CacheFolder,
  store: Store,
  tagOrDigest: string,
  options: VolumeOptions,
  call: Call,
): Promise<CachedVolume> {
  const image = await volumeImage(store, tagOrDigest, options.platform, call);
  const reference = options.reference ?? `${store.origin} ${tagOrDigest}`;
  const name = volumeName(image.manifest);
  const at = join(folder.volumes, name);
  const held = await lock(useLock(folder, name), "shared", call);
  try {
    let told: readonly Finding[] = [];
    if (!(await usable(at, call))) {
      await using _pulling = await lock(join(folder.locks, `${name}.pull`), "exclusive", call);
      if (!(await usable(at, call))) told = await pull(folder, at, store, image, reference, options, call);
    }
    return {
      manifest: image.manifest,
      digest: image.root,
      reference,
      root: join(at, "root"),
      told,
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    };
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether a whole volume is there. One from before the machine's last start is read once: power may have been cut. */
async function usable(at: string, call: Call): Promise<boolean> {
  const record = await readRecord(at);
  if (record === undefined || record.damaged === true) return false;
  const boot = await bootId();
  if (record.boot !== boot) {
    const findings = await verifyTree(join(at, "root"), join(at, "contents"), call);
    if (findings.length > 0) {
      call.progress?.say(`the cached volume ${record.manifest} is damaged: unpacking it again`);
      return false;
    }
  }
  await writeRecord(at, { ...record, boot, used: Date.now() });
  return true;
}

async function pull(
  folder: CacheFolder,
  at: string,
  store: Store,
  image: VolumeImage,
  reference: string,
  options: VolumeOptions,
  call: Call,
): Promise<readonly Finding[]> {
  await sweep(folder);
  await using work = await workFolder(folder);
  const root = join(work.path, "root");
  await mkdir(root, { mode: 0o700 });
  const disk = {
    folder: folder.path,
    advice: "imgvol cache prune, or put IMGVOL_CACHE on another disk",
  };
  const to = { root, contents: join(work.path, "contents"), disk };
  const unpacked = await unpack(store, image, to, options.limits ?? {}, call);
  const { entries, bytes, told } = unpacked;
  const now = Date.now();
  await writeRecord(work.path, {
    manifest: image.manifest,
    reference,
    entries,
    bytes,
    created: now,
    used: now,
    boot: await bootId(),
  });
  call.signal.throwIfAborted();
  // Damaged, or not ours: a folder that is not empty cannot be renamed over.
  await rename(at, `${work.path}.old`).catch(() => undefined);
  await rename(work.path, at);
  await syncFolder(folder.volumes);
  return told;
}

async function verifyAll(folder: CacheFolder, call: Call): Promise<VerifiedVolume[]> {
  const verified: VerifiedVolume[] = [];
  for (const listed of await listVolumes(folder, call)) {
    const record = await verifyOne(folder, listed.manifest, call);
    if (record !== undefined) verified.push(record);
  }
  return verified;
}

/** Undefined where it went away meanwhile. */
async function verifyOne(
  folder: CacheFolder,
  manifest: Digest,
  call: Call,
): Promise<VerifiedVolume | undefined> {
  const at = join(folder.volumes, volumeName(manifest));
  const held = await lock(useLock(folder, volumeName(manifest)), "shared", call);
  let record: VolumeRecord | undefined;
  let findings: Finding[] = [];
  try {
    record = await readRecord(at);
    if (record === undefined) return undefined;
    findings = await verifyTree(join(at, "root"), join(at, "contents"), call);
  } finally {
    await held[Symbol.asyncDispose]();
  }
  if (findings.length === 0) return { ...record, findings };
  const marked = await markDamaged(folder, record);
  return { ...record, ...(marked ? { damaged: true } : {}), findings: inVolume(record, marked, findings) };
}

/** Findings that say which volume they are of; the last says what becomes of it. */
function inVolume(record: VolumeRecord, marked: boolean, findings: readonly Finding[]): Finding[] {
  const name = printable(`${record.reference} (${record.manifest.slice(0, 19)})`);
  const fix = marked
    ? "it is unpacked anew when it is next used; imgvol cache prune removes it now"
    : "it is in use: end what uses it, then run imgvol cache verify again";
  return findings.map((finding, i) => ({
    ...finding,
    message: `${name}: ${finding.message}`,
    fix: i === findings.length - 1 ? [fix] : [],
  }));
}
