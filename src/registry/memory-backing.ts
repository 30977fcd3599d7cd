import { BaseError } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import { memoryStore } from "../store/index.ts";
import type { Backing, Repository, Spool } from "./backing.ts";
import { Gate } from "./gate.ts";
import { Recent } from "./recent.ts";
import type { ManifestRecord, ManifestRecords } from "./records.ts";

const SPOOL_LIMIT = 512 * 1024 * 1024;

/** Repositories that live as long as the process: for tests and demonstrations of modest size. */
export function memoryBacking(): Backing {
  const repositories = new Map<string, Repository>();
  /** Those with content: the others were made for a push that failed. */
  const filled = new Set<string>();

  function make(name: string): Repository {
    const store = memoryStore(`memory/${name}`);
    return {
      name,
      store: {
        ...store,
        async put(d, source, call) {
          await store.put(d, source, call);
          filled.add(name);
        },
      },
      manifests: memoryRecords(),
      gate: new Gate(name),
      recent: new Recent(),
    };
  }

  return {
    origin: "memory",
    find: async (name) => (filled.has(name) ? repositories.get(name) : undefined),
    async create(name) {
      const there = repositories.get(name) ?? make(name);
      repositories.set(name, there);
      return there;
    },
    discard: ({ name, gate }) =>
      gate.exclusive(async () => {
        if (filled.has(name) || !gate.close()) return false;
        return repositories.delete(name);
      }),
    async *names() {
      yield* [...filled].sort();
    },
    link: async () => false,
    spool: async () => memorySpool(),
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

function memorySpool(): Spool {
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
    adopt: async () => false,
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
