import type { DatabaseSync, StatementSync } from "node:sqlite";
import { messageOf, quietCall } from "../base/index.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import { type Backing, find, RegistryError } from "../registry/index.ts";
import { openMirrorDatabase } from "./database.ts";
import { TagLists } from "./tag-lists.ts";

export interface CacheOptions {
  /** The file that remembers; undefined for memory. */
  readonly path: string | undefined;
  /** In bytes. */
  readonly limit: number;
  /** The first parts of the names of repositories whose content it is. */
  readonly prefixes: readonly string[];
  /** Told of a repository from which nothing can be taken away. */
  readonly say?: (sentence: string) => void;
}

/** Left free on the disk. */
const SPARE = 256 * 1024 * 1024;
/** Uses are written together: at most so many are forgotten by a kill. */
const UNWRITTEN = 500;
const WRITE_EVERY = 30_000;

interface Row {
  readonly repository: string;
  readonly digest: Digest;
  readonly size: number;
}

/** What a mirror keeps and when it was used last, so that there is room for what comes: the least recently used goes first. */
export interface MirrorCache extends AsyncDisposable {
  /** Content comes: it counts from now on. `lastUse` is by {@link now}. */
  note(repository: string, d: Descriptor, lastUse?: number): void;
  used(repository: string, digest: Digest): void;
  /** The time (Unix, milliseconds), but never the same twice. */
  now(): number;
  /** It does not go while this is held. */
  hold(repository: string, digest: Digest): Disposable;
  /** Whether so many bytes may be kept, once room is made. */
  hasRoom(size: number): boolean;
  /** Takes content away until so many bytes more fit. */
  makeRoom(size: number): Promise<void>;
  /** In bytes. */
  readonly size: number;
  /** What the upstreams said of their tags. */
  readonly tagLists: TagLists;
}

/**
 * Opens the record of what is kept. Where there is none, or it is damaged, what lies in the local backing is counted anew.
 * @throws RegistryError `folder-unusable`
 */
export async function openMirrorCache(local: Backing, options: CacheOptions): Promise<MirrorCache> {
  const database = await openMirrorDatabase(options.path);
  const cache = new Cache(local, database, options);
  try {
    if (cache.isEmpty) await cache.count(options.prefixes);
    await cache.makeRoom(0);
    return cache;
  } catch (error) {
    await cache[Symbol.asyncDispose]();
    throw error;
  }
}

class Cache implements MirrorCache {
  size: number;
  readonly tagLists: TagLists;
  readonly #local: Backing;
  readonly #database: DatabaseSync;
  readonly #limit: number;
  readonly #say: (sentence: string) => void;
  readonly #insert: StatementSync;
  readonly #look: StatementSync;
  readonly #touch: StatementSync;
  readonly #remove: StatementSync;
  readonly #held = new Map<string, number>();
  readonly #touched = new Map<string, readonly [repository: string, digest: Digest, used: number]>();
  /** Repositories of which that was said. */
  readonly #stuck = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #last = 0;
  #making: Promise<void> = Promise.resolve();

  constructor(local: Backing, database: DatabaseSync, { limit, say = () => {} }: CacheOptions) {
    this.#local = local;
    this.#database = database;
    this.#limit = limit;
    this.#say = say;
    this.#insert = database.prepare(
      "INSERT INTO content VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET size = excluded.size, used = excluded.used",
    );
    this.#look = database.prepare("SELECT size FROM content WHERE repository = ? AND digest = ?");
    this.#touch = database.prepare(
      "UPDATE content SET used = max(used, ?) WHERE repository = ? AND digest = ?",
    );
    this.#remove = database.prepare("DELETE FROM content WHERE repository = ? AND digest = ?");
    this.tagLists = new TagLists(database);
    this.size = this.#sum();
    this.#timer = setInterval(() => this.#write(), WRITE_EVERY);
    this.#timer.unref();
  }

  get isEmpty(): boolean {
    return this.#database.prepare("SELECT 1 FROM content LIMIT 1").get() === undefined;
  }

  /** Takes up what a registry, or a mirror before its record was lost, left here. */
  async count(prefixes: readonly string[]): Promise<void> {
    const call = quietCall();
    this.#database.exec("BEGIN");
    for await (const name of this.#local.names(call)) {
      if (!prefixes.some((prefix) => name.startsWith(`${prefix}/`))) continue;
      for await (const { digest, size, since } of this.#local.contents?.(name).blobs(call) ?? []) {
        this.#insert.run(name, digest, size, Math.floor(since));
      }
    }
    this.#database.exec("COMMIT");
    this.size = this.#sum();
  }

  now(): number {
    this.#last = Math.max(Date.now(), this.#last + 1);
    return this.#last;
  }

  note(repository: string, d: Descriptor, lastUse: number = this.now()): void {
    const before = this.#look.get(repository, d.digest);
    this.#insert.run(repository, d.digest, d.size, lastUse);
    this.size += d.size - Number(before?.["size"] ?? 0);
  }

  used(repository: string, digest: Digest): void {
    this.#touched.set(`${repository}@${digest}`, [repository, digest, this.now()]);
    if (this.#touched.size >= UNWRITTEN) this.#write();
  }

  hold(repository: string, digest: Digest): Disposable {
    const key = `${repository}@${digest}`;
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#held.get(key) ?? 1) - 1;
        if (left === 0) this.#held.delete(key);
        else this.#held.set(key, left);
      },
    };
  }

  hasRoom(size: number): boolean {
    return this.size + size <= this.#limit;
  }

  /** One after the other: two would take away more than both need. */
  makeRoom(size: number): Promise<void> {
    const made = this.#making.then(() => this.#makeRoom(size));
    this.#making = made.catch(() => {});
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#making;
    this.#write();
    this.#database.close();
  }

  async #makeRoom(size: number): Promise<void> {
    // What can never fit, or says so of itself, takes nothing with it.
    const most = (await this.#local.room()) + this.size - SPARE;
    if (size > Math.min(this.#limit, Math.max(most, 0))) return;
    this.#write();
    const oldest = this.#database.prepare("SELECT repository, digest, size FROM content ORDER BY used");
    const stuck = new Set<string>();
    let rows: Row[] | undefined;
    while (!this.hasRoom(size) || (size > 0 && (await this.#local.room()) < size + SPARE)) {
      rows ??= oldest.all() as unknown as Row[];
      const row = rows.shift();
      if (row === undefined) return;
      if (stuck.has(row.repository) || this.#held.has(`${row.repository}@${row.digest}`)) continue;
      if (!(await this.#tryEvict(row))) stuck.add(row.repository);
    }
  }

  /** False where nothing can be taken away from its repository, such as one that is damaged: that keeps nothing else from coming. */
  async #tryEvict(row: Row): Promise<boolean> {
    try {
      await this.#evict(row);
      return true;
    } catch (error) {
      const { repository } = row;
      if (!this.#stuck.has(repository))
        this.#say(`no room can be made in ${repository}: ${messageOf(error)}`);
      this.#stuck.add(repository);
      return false;
    }
  }

  async #evict(row: Row): Promise<void> {
    const { repository: name, digest } = row;
    const call = quietCall();
    const repository = await this.#local.find(name, call);
    if (repository === undefined) return this.#forget(row);
    const going = repository.gate.exclusive(async () => {
      // A reader may have come while we waited.
      if (this.#held.has(`${name}@${digest}`)) return;
      const found = await find(repository, digest, call);
      if (found !== undefined) await repository.store.can.delete?.delete(found, call);
      await repository.manifests.delete(digest);
      this.#forget(row);
    });
    await going.catch((error: unknown) => {
      if (!(error instanceof RegistryError && error.code === "name-unknown")) throw error;
      // It went while we waited, with all that was in it.
      this.#forget(row);
    });
    // A repository of which nothing is left is not one to show.
    await this.#local.discard(repository, call).catch(() => false);
  }

  #forget({ repository, digest, size }: Row): void {
    this.#remove.run(repository, digest);
    this.#touched.delete(`${repository}@${digest}`);
    this.size -= size;
  }

  #write(): void {
    if (this.#touched.size === 0) return;
    this.#database.exec("BEGIN");
    for (const [repository, digest, used] of this.#touched.values())
      this.#touch.run(used, repository, digest);
    this.#database.exec("COMMIT");
    this.#touched.clear();
  }

  #sum(): number {
    const row = this.#database.prepare("SELECT coalesce(sum(size), 0) AS size FROM content").get();
    return Number(row?.["size"] ?? 0);
  }
}
