import { BaseError } from "../base/index.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import { type MemoryMedium, memoryMedium, verified } from "../store/index.ts";
import type { Backing, Repository, Spool } from "./backing.ts";
import { Gate } from "./gate.ts";
import { Recent } from "./recent.ts";
import type { ManifestRecord, ManifestRecords } from "./records.ts";

const SPOOL_LIMIT = 4 * 1024 ** 3;

/** Repositories that live as long as the process: for tests and demonstrations of modest size. */
export function memoryBacking(): Backing {
  const repositories = new Map<string, Repository>();
  /** Those with content: the others were made for a push that failed. */
  const filled = new Set<string>();
  const media = new Map<Repository, MemoryMedium>();

  function make(name: string): Repository {
    const medium = memoryMedium(`memory/${name}`);
    const store = verified({
      ...medium,
      async write(content, call) {
        await medium.write(content, call);
        filled.add(name);
      },
    });
    const made: Repository = {
      name,
      store,
      manifests: memoryRecords(),
      gate: new Gate(name),
      recent: new Recent(),
    };
    media.set(made, medium);
    return made;
  }

  function adopt(to: Repository, d: Descriptor, parts: readonly Uint8Array[]): boolean {
    const medium = media.get(to);
    if (medium === undefined) return false;
    medium.adopt(d, parts);
    filled.add(to.name);
    return true;
  }

  return {
    origin: "memory",
    find: async (name) => (filled.has(name) ? repositories.get(name) : undefined),
    async create(name) {
      const there = repositories.get(name) ?? make(name);
      repositories.set(name, there);
      return there;
    },
    discard: (repository) =>
      repository.gate.exclusive(async () => {
        if (filled.has(repository.name) || !repository.gate.close()) return false;
        media.delete(repository);
        return repositories.delete(repository.name);
      }),
    async *names() {
      yield* [...filled].sort();
    },
    link: async () => false,
    spool: async () => memorySpool(adopt),
    unfinished: async () => [],
    room: async () => Number.POSITIVE_INFINITY,
    async [Symbol.asyncDispose]() {
      for (const { store } of repositories.values()) await store[Symbol.asyncDispose]();
    },
  };
}

function memoryRecords(): ManifestRecords {
  const records = new Map<Digest, ManifestRecord>();
  return {
    get: async (digest) => records.get(digest)?.descriptor,
    async set(record) {
      records.set(record.descriptor.digest, record);
    },
    async delete(digest) {
      records.delete(digest);
    },
    async referrers(subject) {
      const found = [...records.values()].filter((record) => record.subject === subject);
      return found.map((record) => record.descriptor).sort((a, b) => (a.digest < b.digest ? -1 : 1));
    },
  };
}

/** @param adopt gives the bytes to a repository, as they lie */
function memorySpool(adopt: (to: Repository, d: Descriptor, parts: readonly Uint8Array[]) => boolean): Spool {
  let parts: Uint8Array[] = [];
  let size = 0;
  return {
    get size() {
      return size;
    },
    async append(chunk) {
      if (size + chunk.length > SPOOL_LIMIT) {
        throw new BaseError(
          "too-large",
          `an upload of more than ${SPOOL_LIMIT} bytes does not fit in memory`,
          {
            hint: "give the registry a folder",
          },
        );
      }
      parts.push(Buffer.from(chunk));
      size += chunk.length;
    },
    async flush() {},
    adopt: async (to, digest) => adopt(to, { mediaType: "application/octet-stream", digest, size }, parts),
    async truncate(to) {
      const whole = Buffer.concat(parts).subarray(0, to);
      parts = [whole];
      size = whole.length;
    },
    async *open(offset) {
      let at = 0;
      for (const part of parts) {
        if (at + part.length > offset) yield part.subarray(Math.max(offset - at, 0));
        at += part.length;
      }
    },
    async close() {
      parts = [];
      size = 0;
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}
