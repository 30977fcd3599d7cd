import { mkdir, mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { BaseError, type Call, errno, lockInPlace, markOf, tryLock } from "../base/index.ts";

/** A folder that only its owner knows, and whose owner's end the kernel tells: removed on dispose. */
export interface Claim extends AsyncDisposable {
  readonly path: string;
}

/**
 * A private folder of ours in or beside what several processes write: `lock` guards that, and each writer at work has a
 * folder below `writers/` with the files that nobody may see yet, and beside it a lock that it holds. The kernel frees that
 * lock however the writer ends, so the next writer knows whose leftovers it may remove.
 */
export class Corner {
  readonly path: string;
  readonly #lock: string;
  readonly #writers: string;

  constructor(path: string) {
    this.path = path;
    this.#lock = join(path, "lock");
    this.#writers = join(path, "writers");
  }

  /** Runs `work` while no other process or call changes what the corner belongs to, or the set of writers. */
  async exclusively<T>(call: Call, work: () => Promise<T>): Promise<T> {
    await using _held = await this.#hold(call);
    return await work();
  }

  /** A writer's folder. `sweep`: first removes those of the dead. */
  async claim(call: Call, sweep: boolean): Promise<Claim> {
    return await this.exclusively(call, async () => {
      if (sweep) await this.sweep();
      await mkdir(this.#writers, { recursive: true, mode: 0o700 });
      const path = await mkdtemp(join(this.#writers, "w-"));
      const held = await tryLock(`${path}.lock`, "exclusive");
      if (held === undefined) throw new Error(`${path}: a new writer's lock is held by another`);
      return { path, [Symbol.asyncDispose]: () => giveUp(path, held) };
    });
  }

  /** A file to be written and renamed to where it is wanted. Only while `exclusively` holds. */
  get next(): string {
    return join(this.path, "next");
  }

  /** Removes what dead writers left. Only while `exclusively` holds. */
  async sweep(): Promise<void> {
    await rm(this.next, { force: true });
    for (const name of await this.#claimed()) {
      const path = join(this.#writers, name);
      await using dead = await tryLock(`${path}.lock`, "exclusive");
      if (dead !== undefined) await clear(path);
    }
  }

  /** Removes the corner itself where no writer is at work in it. Only while `exclusively` holds. */
  async removeIdle(): Promise<void> {
    if ((await this.#claimed()).length > 0) return;
    try {
      await rm(this.#writers, { recursive: true, force: true });
      for (const file of [`${this.#lock}-journal`, this.#lock]) await rm(file, { force: true });
      // Whoever waits for the lock may have made it anew by now.
      await rmdir(this.path);
    } catch (error) {
      if (errno(error) === undefined) throw error;
    }
  }

  /** {@link removeIdle} by one who does not hold the lock; whoever holds it does the same at its end. */
  async leave(): Promise<void> {
    const before = await markOf(this.#lock);
    if (before === undefined) return;
    await using held = await tryLock(this.#lock, "exclusive");
    if (held !== undefined && (await markOf(this.#lock)) === before) await this.removeIdle();
  }

  async #claimed(): Promise<readonly string[]> {
    const names = await readdir(this.#writers).catch((error: unknown) => {
      if (errno(error) === "ENOENT") return [];
      throw error;
    });
    return [...new Set(names.map((name) => name.replace(/\.lock(?:-journal)?$/, "")))];
  }

  /** The lock's file goes when nobody is at work. */
  async #hold(call: Call): Promise<AsyncDisposable> {
    for (let vanished = 0; ; ) {
      try {
        return await lockInPlace(this.#lock, call);
      } catch (error) {
        // Between making the folder and the file in it, another removed the folder.
        const gone = error instanceof BaseError && error.code === "folder-unwritable";
        if (!gone || vanished++ === 20 || (await markOf(this.path)) !== undefined) throw error;
      }
    }
  }
}

async function giveUp(path: string, held: AsyncDisposable): Promise<void> {
  try {
    await clear(path);
  } catch (error) {
    // Only leftovers: the next writer sweeps them.
    if (errno(error) === undefined) throw error;
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

/** A writer's folder, then its lock: beside the folder, so that whoever tries it never meets a folder that is going away. */
async function clear(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  // SQLite leaves a journal beside the lock of a process that was killed.
  for (const file of [`${path}.lock-journal`, `${path}.lock`]) await rm(file, { force: true });
}
