import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errno, replaceFile } from "../base/index.ts";
import { type Digest, isDigest, isObject } from "../oci/index.ts";
import type { CacheFolder } from "./cache-folder.ts";

/** What was mounted on this machine, and how to take it away. */
export interface MountRecord {
  /** Absolute, links resolved. */
  readonly at: string;
  readonly mounter: string;
  readonly manifest: Digest;
  readonly reference: string;
  /** The folder of the cache that is shown. */
  readonly source: string;
  /** Whether the folder was made for the mount, and goes with it. */
  readonly made: boolean;
  /** The boot and mount namespace in which it was made. */
  readonly boot: string;
  readonly namespace: string;
  /** False while it is being made: after a crash, it may be there or not. */
  readonly complete: boolean;
}

function fileOf(folder: CacheFolder, at: string): string {
  return join(folder.mounts, `${createHash("sha256").update(at).digest("hex")}.json`);
}

export async function writeMount(folder: CacheFolder, record: MountRecord): Promise<void> {
  await replaceFile(
    fileOf(folder, record.at),
    Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`),
    0o600,
  );
}

export async function removeMount(folder: CacheFolder, at: string): Promise<void> {
  await rm(fileOf(folder, at), { force: true });
}

export async function readMount(folder: CacheFolder, at: string): Promise<MountRecord | undefined> {
  return await read(fileOf(folder, at));
}

export async function readMounts(folder: CacheFolder): Promise<MountRecord[]> {
  const names = (await readdir(folder.mounts)).filter((name) => name.endsWith(".json"));
  const all = await Promise.all(names.map((name) => read(join(folder.mounts, name))));
  return all.filter((record) => record !== undefined);
}

async function read(file: string): Promise<MountRecord | undefined> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || errno(error) === "ENOENT") return undefined;
    throw error;
  }
  if (!isObject(json)) return undefined;
  const { at, mounter, manifest, reference, source, made, boot, namespace, complete } = json;
  const text = (value: unknown): value is string => typeof value === "string";
  if (!text(at) || !text(mounter) || !text(reference) || !text(source) || !text(boot) || !text(namespace)) {
    return undefined;
  }
  if (!isDigest(manifest)) return undefined;
  return {
    at,
    mounter,
    manifest,
    reference,
    source,
    made: made === true,
    boot,
    namespace,
    complete: complete === true,
  };
}
