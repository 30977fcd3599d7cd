import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errno, makeFolder, replaceFile, syncFolder } from "../base/index.ts";
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
      await makeFolder(referrersAt(subject));
      await replaceFile(join(referrersAt(subject), descriptor.digest.replace(":", "-")), Buffer.alloc(0));
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
      const names = await readdir(referrersAt(subject)).catch((error: unknown) => {
        if (errno(error) === "ENOENT") return [];
        throw error;
      });
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
