import { mkdir, mkdtemp, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Call, errno, lock, syncFolder, tryLock } from "../base/index.ts";
import type { Incoming } from "./medium.ts";

/**
 * Our own corner of a layout folder, which the image-spec leaves to implementations: `lock` guards index.json, and
 * each writer at work has a folder below `writers/` with the files that nobody may see yet, and beside it a lock that it
 * holds. The kernel frees that lock however the writer ends, so the next writer knows whose leftovers it may remove.
 */
export const CORNER = ".imgvol";

/** The unfinished files of one store's writes that run now; the folder is gone when none is. */
export class Writers {
  readonly #corner: string;
  #current: Registration | undefined;
  #swept = false;
  #count = 0;

  constructor(layout: string) {
    this.#corner = join(layout, CORNER);
  }

  /** Runs `work` while no other process or call changes index.json or the set of writers. */
  async exclusively<T>(call: Call, work: () => Promise<T>): Promise<T> {
    await using _held = await lock(join(this.#corner, "lock"), "exclusive", call);
    return await work();
  }

  /** Runs `work` with the path of a file that only it knows; whatever is left there afterwards is removed. */
  async withFile<T>(call: Call, work: (path: string) => Promise<T>): Promise<T> {
    this.#current ??= this.#register(call);
    const mine = this.#current;
    mine.users++;
    try {
      const { path } = await unlessAborted(mine.folder, call.signal);
      const file = join(path, String(++this.#count));
      try {
        return await work(file);
      } finally {
        await rm(file, { force: true });
      }
    } finally {
      if (--mine.users === 0) {
        if (this.#current === mine) this.#current = undefined;
        mine.unwanted.abort();
        await release(mine);
      }
    }
  }

  /**
   * Replaces a small file of the layout: a reader, or the next run after a crash, sees the old bytes or the new. Only while
   * `exclusively` holds.
   */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    const next = join(this.#corner, "next");
    try {
      const file = await open(next, "w", 0o644);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, path);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
    await syncFolder(join(this.#corner, ".."));
  }

  /** For all writes of this store that run now: one caller's abort must not end the others. */
  #register({ progress }: Call): Registration {
    const unwanted = new AbortController();
    const folder = this.exclusively({ signal: unwanted.signal, progress }, async () => {
      const writers = join(this.#corner, "writers");
      await mkdir(writers, { recursive: true, mode: 0o700 });
      if (!this.#swept) await this.#sweep(writers);
      this.#swept = true;
      const path = await mkdtemp(join(writers, "w-"));
      const held = await tryLock(`${path}.lock`, "exclusive");
      if (held === undefined) throw new Error(`${path}: a new writer's lock is held by another`);
      return { path, held };
    });
    return { folder, unwanted, users: 0 };
  }

  async #sweep(writers: string): Promise<void> {
    await rm(join(this.#corner, "next"), { force: true });
    for (const name of new Set((await readdir(writers)).map((n) => n.replace(/\.lock(?:-journal)?$/, "")))) {
      const path = join(writers, name);
      await using dead = await tryLock(`${path}.lock`, "exclusive");
      if (dead !== undefined) await clear(path);
    }
  }
}

/** Writes content to a new file, and to the disk, once it has shown to be what was expected. */
export async function fill(path: string, content: Incoming, call: Call): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    for await (const chunk of content.source.open(0, call)) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
    }
    content.seal();
    await file.sync();
  } finally {
    await file.close();
  }
}

interface Registration {
  readonly folder: Promise<{ readonly path: string; readonly held: AsyncDisposable }>;
  /** Ends the wait for the lock when no write wants the folder any more. */
  readonly unwanted: AbortController;
  users: number;
}

async function release(registration: Registration): Promise<void> {
  const mine = await registration.folder.catch(() => undefined);
  if (mine === undefined) return;
  try {
    await clear(mine.path);
  } catch (error) {
    // Only leftovers: the next writer sweeps them.
    if (errno(error) === undefined) throw error;
  } finally {
    await mine.held[Symbol.asyncDispose]();
  }
}

/** A writer's folder, then its lock: beside the folder, so that whoever tries it never meets a folder that is going away. */
async function clear(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  // SQLite leaves a journal beside the lock of a process that was killed.
  for (const file of [`${path}.lock-journal`, `${path}.lock`]) await rm(file, { force: true });
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
