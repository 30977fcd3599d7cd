import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Call, quietCall, unlessAborted } from "../base/index.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import type { Claim, Corner } from "./corner.ts";
import { fill } from "./layout-writers.ts";
import type { Incoming } from "./medium.ts";

/** Content on the disk that is whole, but not in the archive yet. */
export interface Spooled extends Descriptor {
  readonly path: string;
}

/** What one store was given since the archive was last written: one file a content, in a folder beside the archive. */
export class ArchiveSpool {
  readonly #corner: Corner;
  readonly #contents = new Map<Digest, Spooled>();
  #claim: { readonly folder: Promise<Claim>; readonly unwanted: AbortController } | undefined;
  #writes = 0;
  #count = 0;

  constructor(corner: Corner) {
    this.#corner = corner;
  }

  get(digest: Digest): Spooled | undefined {
    return this.#contents.get(digest);
  }

  list(): readonly Spooled[] {
    return [...this.#contents.values()];
  }

  async add(content: Incoming, call: Call): Promise<void> {
    this.#writes++;
    try {
      this.#claim ??= this.#register();
      const folder = (await unlessAborted(this.#claim.folder, call.signal)).path;
      const file = join(folder, `${++this.#count}.part`);
      try {
        await fill(file, content, false, call);
        const d = content.seal();
        const path = join(folder, d.digest.replace(":", "-"));
        await rename(file, path);
        this.#contents.set(d.digest, { ...d, path });
      } finally {
        await rm(file, { force: true });
      }
    } finally {
      this.#writes--;
      await this.#release();
    }
  }

  /** Forgets contents: the archive has them now, or nobody wants them. */
  async drop(contents: readonly Spooled[]): Promise<void> {
    for (const { digest, path } of contents) {
      this.#contents.delete(digest);
      await rm(path, { force: true });
    }
    await this.#release();
  }

  /** The folder goes as soon as nothing is in it. */
  async #release(): Promise<void> {
    const claim = this.#claim;
    if (claim === undefined || this.#writes > 0 || this.#contents.size > 0) return;
    this.#claim = undefined;
    claim.unwanted.abort();
    const folder = await claim.folder.catch(() => undefined);
    await folder?.[Symbol.asyncDispose]();
    await this.#corner.leave();
  }

  /** For all writes of this store: one caller's abort must not end the others. */
  #register(): { readonly folder: Promise<Claim>; readonly unwanted: AbortController } {
    const unwanted = new AbortController();
    const folder = this.#corner.claim(quietCall(unwanted.signal), true);
    // Whoever waits for it hears of its failure.
    folder.catch(() => {});
    return { folder, unwanted };
  }
}
