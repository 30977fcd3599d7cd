import { readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asDiskError, errno, makeFolder, replaceFile, syncFolder } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, parseDescriptor, StoreError } from "../oci/index.ts";
import type { ManifestRecord, ManifestRecords } from "./records.ts";

/**
 * The manifests of a repository as small files: `_manifests/ALGORITHM/HEX`, each a descriptor, and
 * `_referrers/ALGORITHM/HEX/REFERRER`, each an empty file. Pushing one manifest writes one record, however many there are.
 */
export function folderRecords(home: string): ManifestRecords {
  return {
    get: async (digest) => (await readRecord(recordAt(home, digest)))?.descriptor,
    async set({ descriptor, subject }) {
      const record = Buffer.from(JSON.stringify({ ...descriptor, subject }));
      const path = recordAt(home, descriptor.digest);
      await makeFolder(dirname(path));
      await replaceFile(path, record);
      if (subject === undefined) return;
      const referrers = referrersAt(home, subject);
      await makeFolder(referrers);
      // An empty file is never half-written.
      await writeFile(join(referrers, fileNameOf(descriptor.digest)), "").catch((error: unknown) => {
        throw asDiskError(error, referrers);
      });
      await syncFolder(referrers);
    },
    async delete(digest) {
      const path = recordAt(home, digest);
      const record = await readRecord(path).catch((error: unknown) => {
        // Damaged: whatever it listed goes as a leftover.
        if (error instanceof StoreError) return {};
        throw error;
      });
      if (record === undefined) return;
      const subject = "subject" in record ? record.subject : undefined;
      if (subject !== undefined) await unlist(referrersAt(home, subject), fileNameOf(digest));
      await rm(path, { force: true });
      await syncFolder(dirname(path));
    },
    async referrers(subject) {
      const found: Descriptor[] = [];
      for (const name of (await namesIn(referrersAt(home, subject))).sort()) {
        const digest = name.replace("-", ":");
        const descriptor = isDigest(digest)
          ? (await readRecord(recordAt(home, digest)))?.descriptor
          : undefined;
        if (descriptor !== undefined) found.push(descriptor);
      }
      return found;
    },
  };
}

/** The folder goes with the last that is listed in it. */
async function unlist(folder: string, name: string): Promise<void> {
  await rm(join(folder, name), { force: true });
  await rmdir(folder).catch((error: unknown) => {
    const code = errno(error);
    if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOENT") throw error;
  });
}

export function recordAt(home: string, digest: Digest): string {
  return join(home, "_manifests", ...digest.split(":"));
}

export function referrersAt(home: string, subject: Digest): string {
  return join(home, "_referrers", ...subject.split(":"));
}

function fileNameOf(referrer: Digest): string {
  return referrer.replace(":", "-");
}

/** Undefined where there is none. @throws StoreError `store-invalid` where it is damaged */
export async function readRecord(path: string): Promise<ManifestRecord | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const { subject, ...descriptor } = JSON.parse(text);
    return { descriptor: parseDescriptor(descriptor, path), ...(isDigest(subject) ? { subject } : {}) };
  } catch (cause) {
    throw new StoreError("store-invalid", `${path} is damaged`, {
      hint: "push its manifest again, or delete the file",
      cause,
    });
  }
}

/** Whether a file among the records is one that a server was writing when it was killed. */
export function isUnfinishedRecord(name: string): boolean {
  return /^[0-9a-f]+\..*\.tmp$/.test(name);
}

/** Removes the records that a server was writing when it was killed. Only while none writes. */
export async function sweepRecords(home: string): Promise<void> {
  for (const algorithm of ["sha256", "sha512"]) {
    const folder = join(home, "_manifests", algorithm);
    for (const name of await namesIn(folder)) {
      if (isUnfinishedRecord(name)) await rm(join(folder, name), { force: true });
    }
  }
}

/** The names in a folder, none where it is missing. */
export async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
}
