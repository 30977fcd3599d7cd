import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Call, exists, syncFolder, Turns, unlessAborted } from "../base/index.ts";
import { type Claim, Corner } from "./corner.ts";
import type { Incoming } from "./medium.ts";

/** Our own corner of a layout folder, which the image-spec leaves to implementations. Its lock guards index.json. */
export const CORNER = ".imgvol";

/** The unfinished files of one store's writes that run now; the folder is gone when none is. */
export class Writers {
  readonly #corner: Corner;
  readonly #turns = new Turns();
  #current: Registration | undefined;
  #swept = false;
  #count = 0;

  constructor(layout: string) {
    this.#corner = new Corner(join(layout, CORNER));
  }

  /** Runs `work` while no other process or call changes index.json or the set of writers. */
  async exclusively<T>(call: Call, work: () => Promise<T>): Promise<T> {
    // The lock is asked for again and again while another holds it: our own calls wait for each other, and not for that.
    return await this.#turns.take(call, () => this.#corner.exclusively(call, work));
  }

  /** Runs `work` with the path of a file that only it knows; whatever is left there afterwards is removed. */
  async withFile<T>(call: Call, work: (path: string) => Promise<T>): Promise<T> {
    this.#current ??= this.#register(call);
    const mine = this.#current;
    mine.users++;
    try {
      const { path } = await unlessAborted(mine.claim, call.signal);
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
        const claim = await mine.claim.catch(() => undefined);
        await claim?.[Symbol.asyncDispose]();
      }
    }
  }

  /**
   * Replaces a small file of the layout: a reader, or the next run after a crash, sees the old bytes or the new. Only while
   * `exclusively` holds.
   */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    const { next } = this.#corner;
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
    await syncFolder(join(this.#corner.path, ".."));
  }

  /** For all writes of this store that run now: one caller's abort must not end the others. */
  #register({ progress }: Call): Registration {
    const unwanted = new AbortController();
    const claim = this.#claim({ signal: unwanted.signal, progress });
    return { claim, unwanted, users: 0 };
  }

  async #claim(call: Call): Promise<Claim> {
    const claim = await this.#corner.claim(call, !this.#swept);
    this.#swept = true;
    return claim;
  }
}

/** Removes what writers left that were killed, without waiting for the next writer. Those at work are left alone. */
export async function sweepLayout(dir: string, call: Call): Promise<void> {
  const corner = new Corner(join(dir, CORNER));
  if (await exists(corner.path)) await corner.exclusively(call, () => corner.sweep());
}

/** Writes content to a new file, and to the disk where it is to stay, once it has shown to be what was expected. */
export async function fill(path: string, content: Incoming, stays: boolean, call: Call): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    for await (const chunk of content.source.open(0, call)) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
    }
    content.seal();
    if (stays) await file.sync();
  } finally {
    await file.close();
  }
}

interface Registration {
  readonly claim: Promise<Claim>;
  /** Ends the wait for the lock when no write wants the folder any more. */
  readonly unwanted: AbortController;
  users: number;
}
