import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errno, replaceFile } from "../base/index.ts";
import { type Digest, isDigest, isObject } from "../oci/index.ts";

/** What a cache knows of a volume beside its files: `volume.json`. */
export interface VolumeRecord {
  readonly manifest: Digest;
  /** The reference that it was first unpacked for. */
  readonly reference: string;
  readonly entries: number;
  /** Uncompressed, as tar. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly used: number;
  /** The boot in which the files were written, or last checked. */
  readonly boot: string;
  /** A check found other files than were unpacked: it is not used again, and any prune removes it. */
  readonly damaged?: boolean;
}

const NAME = "volume.json";

export async function writeRecord(folder: string, record: VolumeRecord): Promise<void> {
  await replaceFile(join(folder, NAME), Buffer.from(`${JSON.stringify(record, undefined, 2)}\n`), 0o600);
}

/** Undefined where there is no volume, or what says so is damaged. */
export async function readRecord(folder: string): Promise<VolumeRecord | undefined> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(join(folder, NAME), "utf8"));
  } catch (error) {
    // ENOTDIR: a stray file among the volumes.
    if (error instanceof SyntaxError || errno(error) === "ENOENT" || errno(error) === "ENOTDIR")
      return undefined;
    throw error;
  }
  if (!isObject(json)) return undefined;
  const { manifest, reference, entries, bytes, created, used, boot, damaged } = json;
  const whole = (n: unknown): n is number => typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
  if (!isDigest(manifest) || typeof reference !== "string" || typeof boot !== "string") return undefined;
  if (!whole(entries) || !whole(bytes) || !whole(created) || !whole(used)) return undefined;
  return {
    manifest,
    reference,
    entries,
    bytes,
    created,
    used,
    boot,
    ...(damaged === true ? { damaged } : {}),
  };
}
