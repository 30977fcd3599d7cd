import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asDiskError, errno, makeFolder, replaceFile, syncFolder } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, parseDescriptor } from "../oci/index.ts";
import type { ManifestRecord, ManifestRecords } from "./backing.ts";

/**
 * The manifests of a repository as small files: `_manifests/ALGORITHM/HEX`, each a descriptor, and
 * `_referrers/ALGORITHM/HEX/REFERRER`, each an empty file. Pushing one manifest writes one record, however many there are.
 */
export function folderRecords(home: string): ManifestRecords {
  const recordAt = (digest: Digest): string => join(home, "_manifests", ...digest.split(":"));
  const referrersAt = (subject: Digest): string => join(home, "_referrers", ...subject.split(":"));

  async function read(digest: Digest): Promise<ManifestRecord | undefined> {
    const path = recordAt(digest);
    const text = await readFile(path, "utf8").catch((error: unknown) => {
      if (errno(error) === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const { subject, ...descriptor } = JSON.parse(text);
    return {
      descriptor: parseDescriptor(descriptor, path),
      ...(isDigest(subject) ? { subject } : {}),
    };
  }

  return {
    get: async (digest) => (await read(digest))?.descriptor,
    async set({ descriptor, subject }) {
      const record = Buffer.from(JSON.stringify({ ...descriptor, subject }));
      await makeFolder(dirname(recordAt(descriptor.digest)));
      await replaceFile(recordAt(descriptor.digest), record);
      if (subject === undefined) return;
      const referrers = referrersAt(subject);
      await makeFolder(referrers);
      // An empty file is never half-written.
      await writeFile(join(referrers, descriptor.digest.replace(":", "-")), "").catch((error: unknown) => {
        throw asDiskError(error, referrers);
      });
      await syncFolder(referrers);
    },
    async delete(digest) {
      const record = await read(digest);
      if (record === undefined) return;
      const { subject } = record;
      if (subject !== undefined)
        await rm(join(referrersAt(subject), digest.replace(":", "-")), { force: true });
      await rm(recordAt(digest), { force: true });
      await syncFolder(dirname(recordAt(digest)));
    },
    async referrers(subject) {
      const names = await namesIn(referrersAt(subject));
      const found: Descriptor[] = [];
      for (const name of names.sort()) {
        const digest = name.replace("-", ":");
        const descriptor = isDigest(digest) ? (await read(digest))?.descriptor : undefined;
        if (descriptor !== undefined) found.push(descriptor);
      }
      return found;
    },
  };
}

/** Removes the records that a server was writing when it was killed. Only while none writes. */
export async function sweepRecords(home: string): Promise<void> {
  for (const algorithm of ["sha256", "sha512"]) {
    const folder = join(home, "_manifests", algorithm);
    for (const name of await namesIn(folder)) {
      if (/^[0-9a-f]+\..*\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
}
