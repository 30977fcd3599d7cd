import { randomUUID } from "node:crypto";
import { type Call, formatBytes, quietCall } from "../base/index.ts";
import { digester } from "../oci/index.ts";
import type { Backing, Spool, Upload } from "./backing.ts";
import { type Clock, systemClock } from "./clock.ts";
import { RegistryError } from "./errors.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";

/** How often uploads are looked at that nobody continues. */
const LOOK_MS = 60_000;

/** One upload on its way (distribution-spec, "Pushing blobs"). */
export interface Session extends Upload {
  readonly spool: Spool;
  /** Runs along with the bytes; undefined where it missed some, or some were taken back. */
  hash: ReturnType<typeof digester> | undefined;
}

interface Kept {
  readonly session: Session;
  /** Ends when everyone who works on the session, or waits for it, is done. */
  busy: Promise<void>;
  users: number;
  lastUse: number;
}

/**
 * The uploads on their way: begun here, or left by a server before this one. One that nobody continues for a while is
 * dropped; those that are left at the end are for the next server.
 */
export class Sessions implements AsyncDisposable {
  readonly #backing: Backing;
  readonly #limits: Required<Limits>;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();
  readonly #timer: Disposable;
  #loaded: Promise<void> | undefined;
  #beginning = 0;

  constructor(backing: Backing, limits: Limits = {}, clock: Clock = systemClock) {
    this.#backing = backing;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#clock = clock;
    const often = Math.max(Math.min(LOOK_MS, this.#limits.uploadIdle), 1000);
    this.#timer = clock.every(often, () => {
      // What cannot be removed now is found by the next server.
      this.expire().catch(() => {});
    });
  }

  /** How many are on their way. */
  get size(): number {
    return this.#kept.size + this.#beginning;
  }

  /** @throws RegistryError `uploads-exhausted`, `disk-low` */
  async begin(name: string, call: Call): Promise<Session> {
    await this.expire();
    if (this.size >= this.#limits.uploads) {
      throw exhausted(`${this.#limits.uploads} uploads are on their way already`);
    }
    this.#beginning++;
    try {
      await this.checkRoom(0);
      const upload = { id: randomUUID(), name };
      const spool = await this.#backing.spool(upload, call);
      const session: Session = { ...upload, spool, hash: digester() };
      this.#keep(session, this.#clock.now());
      return session;
    } finally {
      this.#beginning--;
    }
  }

  /**
   * Works on a session, alone: a client that lost its connection may be back before the server has noticed, and its
   * next chunk must wait for the end of the one before.
   *
   * @throws RegistryError `upload-unknown`
   */
  async use<T>(name: string, id: string, work: (session: Session) => Promise<T>): Promise<T> {
    await this.#load();
    const kept = this.#find(name, id);
    const before = kept.busy;
    kept.users++;
    let done = (): void => {};
    kept.busy = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      this.#find(name, id);
      return await work(kept.session);
    } finally {
      kept.users--;
      kept.lastUse = this.#clock.now();
      done();
    }
  }

  /** Ends a session and frees its bytes. */
  async drop(id: string): Promise<void> {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    await kept?.session.spool[Symbol.asyncDispose]();
  }

  /** Whether so many bytes more of unfinished uploads are within the limit. @throws RegistryError `uploads-exhausted` */
  checkBytes(more: number): void {
    if (this.#limits.uploadBytes === Number.POSITIVE_INFINITY) return;
    let bytes = more;
    for (const { session } of this.#kept.values()) bytes += session.spool.size;
    if (bytes <= this.#limits.uploadBytes) return;
    throw exhausted(`unfinished uploads may have ${formatBytes(this.#limits.uploadBytes)} together`);
  }

  /** Whether the disk takes so many bytes more. @throws RegistryError `disk-low` */
  async checkRoom(more: number): Promise<void> {
    const { freeDisk } = this.#limits;
    if (freeDisk === 0 || (await this.#backing.room()) - more >= freeDisk) return;
    throw new RegistryError(
      "disk-low",
      `the disk of the registry has less than ${formatBytes(freeDisk)} left`,
      {
        hint: "its operator can free some with imgvol registry gc",
      },
    );
  }

  /** Drops what nobody continued for too long. @returns how many uploads, and their bytes */
  async expire(dryRun = false): Promise<{ readonly uploads: number; readonly bytes: number }> {
    await this.#load();
    let uploads = 0;
    let bytes = 0;
    for (const [id, kept] of [...this.#kept]) {
      if (!this.#isIdle(kept)) continue;
      uploads++;
      bytes += kept.session.spool.size;
      if (!dryRun) await this.drop(id);
    }
    return { uploads, bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer[Symbol.dispose]();
    await this.#loaded?.catch(() => {});
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    for (const { session } of kept) await session.spool.close();
  }

  /** What a server before this one left; once, and again where that failed. */
  async #load(): Promise<void> {
    this.#loaded ??= (async () => {
      for (const { lastUse, ...upload } of await this.#backing.unfinished(quietCall())) {
        this.#keep({ ...upload, hash: undefined }, lastUse);
      }
    })();
    try {
      await this.#loaded;
    } catch (error) {
      this.#loaded = undefined;
      throw error;
    }
  }

  #keep(session: Session, lastUse: number): void {
    this.#kept.set(session.id, { session, busy: Promise.resolve(), users: 0, lastUse });
  }

  #find(name: string, id: string): Kept {
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.session.name === name && !this.#isIdle(kept)) return kept;
    throw new RegistryError("upload-unknown", `${name} has no upload ${id} on its way`, {
      hint: "begin again with POST",
    });
  }

  #isIdle({ users, lastUse }: Kept): boolean {
    return users === 0 && this.#clock.now() - lastUse >= this.#limits.uploadIdle;
  }
}

function exhausted(why: string): RegistryError {
  return new RegistryError("uploads-exhausted", why, { headers: { "retry-after": "60" } });
}
