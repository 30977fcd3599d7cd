import type { Stats } from "node:fs";
import { readFile, rm, rmdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Call, errno } from "../base/index.ts";
import { type Digest, isDigest, isObject, StoreError } from "../oci/index.ts";
import { sweepLayout } from "../store/index.ts";
import type { Contents, Lying, Named, WrittenRecord } from "./contents.ts";
import {
  folderRecords,
  isUnfinishedRecord,
  namesIn,
  readRecord,
  recordAt,
  referrersAt,
} from "./folder-records.ts";

/** image-spec, annotations.md: the tag of an entry in a layout's index.json. */
const REF_NAME = "org.opencontainers.image.ref.name";
/** How long a collected manifest's record is a sign of it: longer than the push of an index. */
const BURIED_MS = 24 * 60 * 60_000;
const ALGORITHMS = ["sha256", "sha512"] as const;

/** The files of a repository in a folder. */
export class FolderContents implements Contents {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  async named(): Promise<readonly Named[]> {
    return await namedIn(this.#home);
  }

  async recorded(): Promise<readonly Digest[]> {
    const found: Digest[] = [];
    for (const algorithm of ALGORITHMS) {
      for (const hex of await namesIn(join(this.#home, "_manifests", algorithm))) {
        const digest = `${algorithm}:${hex}`;
        if (isDigest(digest)) found.push(digest);
      }
    }
    return found;
  }

  async record(digest: Digest): Promise<WrittenRecord | undefined> {
    const path = recordAt(this.#home, digest);
    const file = await fileAt(path);
    const record = file === undefined ? undefined : await readRecord(path);
    return file === undefined || record === undefined ? undefined : { ...record, written: file.mtimeMs };
  }

  async *blobs({ signal }: Call): AsyncIterable<Lying> {
    for (const algorithm of ALGORITHMS) {
      for (const hex of await namesIn(join(this.#home, "_layout", "blobs", algorithm))) {
        signal.throwIfAborted();
        const digest = `${algorithm}:${hex}`;
        const found = isDigest(digest) ? await this.lying(digest) : undefined;
        if (found !== undefined) yield found;
      }
    }
  }

  async lying(digest: Digest): Promise<Lying | undefined> {
    const file = await fileAt(this.#blob(digest));
    if (file === undefined) return undefined;
    const { size, mtimeMs, dev, ino, nlink } = file;
    return { digest, size, since: mtimeMs, file: `${dev}:${ino}`, names: nlink };
  }

  async bury(digest: Digest): Promise<void> {
    const now = new Date();
    await utimes(recordAt(this.#home, digest), now, now);
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#blob(digest), { force: true });
  }

  async *leftovers({ signal }: Call): AsyncIterable<string> {
    for (const algorithm of ALGORITHMS) {
      for (const file of await namesIn(join(this.#home, "_manifests", algorithm))) {
        signal.throwIfAborted();
        const name = join("_manifests", algorithm, file);
        if (await this.#isLeft(name)) yield name;
      }
      for (const subject of await namesIn(join(this.#home, "_referrers", algorithm))) {
        signal.throwIfAborted();
        const folder = join("_referrers", algorithm, subject);
        let inside = 0;
        for (const file of await namesIn(join(this.#home, folder))) {
          const name = join(folder, file);
          if (await this.#isLeft(name)) yield name;
          else inside++;
        }
        if (inside === 0) yield folder;
      }
    }
  }

  async sweepWriters(call: Call): Promise<void> {
    await sweepLayout(join(this.#home, "_layout"), call);
  }

  async removeLeftover(name: string): Promise<boolean> {
    if (!(await this.#isLeft(name))) return false;
    const path = join(this.#home, name);
    const [kind, ...parts] = name.split("/");
    const digest = parts.join(":");
    try {
      if (kind === "_manifests" && isDigest(digest)) await folderRecords(this.#home).delete(digest);
      else if ((await stat(path)).isDirectory()) await rmdir(path);
      else await rm(path);
      return true;
    } catch (error) {
      // It was being written when it was listed, and has its place by now.
      if (errno(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** A record without content for long, a referrer without a record, a subject without referrers, or half of a record. */
  async #isLeft(name: string): Promise<boolean> {
    const [kind, algorithm, hex = "", referrer] = name.split("/");
    const digest = `${algorithm}:${hex}`;
    if (kind === "_manifests") {
      if (!isDigest(digest)) return isUnfinishedRecord(hex);
      const age = Date.now() - ((await fileAt(join(this.#home, name)))?.mtimeMs ?? 0);
      return age > BURIED_MS && (await fileAt(this.#blob(digest))) === undefined;
    }
    if (!isDigest(digest)) return false;
    if (referrer === undefined) return (await namesIn(referrersAt(this.#home, digest))).length === 0;
    const by = referrer.replace("-", ":");
    if (!isDigest(by)) return false;
    return (await readRecord(recordAt(this.#home, by)))?.subject !== digest;
  }

  #blob(digest: Digest): string {
    return join(this.#home, "_layout", "blobs", ...digest.split(":"));
  }
}

/** Whether nothing is in a repository that anybody put there. There may be a sign that it was: a record without content. */
export async function isBare(home: string): Promise<boolean> {
  if (await hasBlobs(home)) return false;
  try {
    return (await namedIn(home)).length === 0;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}

/** Whether there is content, also where no layout says that it is a repository. */
export async function hasBlobs(home: string): Promise<boolean> {
  for (const algorithm of await namesIn(join(home, "_layout", "blobs"))) {
    if ((await namesIn(join(home, "_layout", "blobs", algorithm))).length > 0) return true;
  }
  return false;
}

/** @throws StoreError `store-invalid` */
async function namedIn(home: string): Promise<readonly Named[]> {
  const path = join(home, "_layout", "index.json");
  const damaged = (cause?: unknown): StoreError =>
    new StoreError("store-invalid", `${path} is no list of manifests`, { cause });
  let index: unknown;
  try {
    index = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || errno(error) === "ENOENT") throw damaged(error);
    throw error;
  }
  if (!isObject(index) || !Array.isArray(index["manifests"])) throw damaged();
  return index["manifests"].map((entry: unknown) => {
    if (!isObject(entry) || !isDigest(entry["digest"])) throw damaged();
    const { digest, annotations } = entry;
    return { digest, tagged: isObject(annotations) && typeof annotations[REF_NAME] === "string" };
  });
}

async function fileAt(path: string): Promise<Stats | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
