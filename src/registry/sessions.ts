import { randomUUID } from "node:crypto";
import type { Call } from "../base/index.ts";
import { digester } from "../oci/index.ts";
import type { Backing, Spool } from "./backing.ts";
import { RegistryError } from "./errors.ts";

const IDLE_MS = 60 * 60_000;
const LIMIT = 1000;

/** One upload on its way (distribution-spec, "Pushing blobs"). */
export interface Session {
  readonly id: string;
  /** The repository in which it was begun. */
  readonly name: string;
  readonly spool: Spool;
  /** Runs along with the bytes; undefined once some were taken back. */
  hash: ReturnType<typeof digester> | undefined;
}

interface Kept {
  readonly session: Session;
  /** Ends when everyone who works on the session, or waits for it, is done. */
  busy: Promise<void>;
  users: number;
  lastUse: number;
}

/** The uploads on their way. They live as long as the server; one that nobody continues for an hour is dropped. */
export class Sessions implements AsyncDisposable {
  readonly #backing: Backing;
  readonly #kept = new Map<string, Kept>();

  constructor(backing: Backing) {
    this.#backing = backing;
  }

  /** @throws RegistryError `uploads-exhausted` */
  async begin(name: string, call: Call): Promise<Session> {
    await this.#dropIdle();
    if (this.#kept.size >= LIMIT) {
      throw new RegistryError("uploads-exhausted", `${LIMIT} uploads are on their way already`, {
        headers: { "retry-after": "60" },
      });
    }
    const spool = await this.#backing.spool(call);
    const session: Session = { id: randomUUID(), name, spool, hash: digester() };
    this.#kept.set(session.id, { session, busy: Promise.resolve(), users: 0, lastUse: performance.now() });
    return session;
  }

  /**
   * Works on a session, alone: a client that lost its connection may be back before the server has noticed, and its
   * next chunk must wait for the end of the one before.
   *
   * @throws RegistryError `upload-unknown`
   */
  async use<T>(name: string, id: string, work: (session: Session) => Promise<T>): Promise<T> {
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
      kept.lastUse = performance.now();
      done();
    }
  }

  /** Ends a session and frees its bytes. */
  async drop(id: string): Promise<void> {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    await kept?.session.spool[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.#kept.keys()]) await this.drop(id);
  }

  #find(name: string, id: string): Kept {
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.session.name === name) return kept;
    throw new RegistryError("upload-unknown", `${name} has no upload ${id} on its way`, {
      hint: "begin again with POST",
    });
  }

  async #dropIdle(): Promise<void> {
    const now = performance.now();
    for (const [id, kept] of [...this.#kept]) {
      if (kept.users === 0 && now - kept.lastUse > IDLE_MS) await this.drop(id);
    }
  }
}
