import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errno, type HttpHandler } from "../base/index.ts";

/** How long an answer holds, in ms: whoever asks needs no password, and must not keep the disk busy. */
const FRESH = 1000;

/** Whether a registry can do its work. */
export class Health {
  readonly #dir: string | undefined;
  #stopping = false;
  #asked: { readonly at: number; readonly why: Promise<string | undefined> } | undefined;

  /** @param dir the folder that it must be able to write; undefined for memory */
  constructor(dir: string | undefined) {
    this.#dir = dir;
  }

  /** From now on it tells load balancers to go elsewhere. */
  stop(): void {
    this.#stopping = true;
  }

  /** GET /healthz: 200, or 503 with the reason. Pulls go on where the disk's reserve is reached: that is for the metrics. The reason names no path: anyone may ask. */
  readonly handle: HttpHandler = async () => {
    const why = this.#stopping ? "the registry is stopping" : await this.unwell();
    return {
      status: why === undefined ? 200 : 503,
      headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
      body: Buffer.from(`${why ?? "ok"}\n`),
    };
  };

  /** Why the folder cannot be written; undefined where it can. */
  unwell(): Promise<string | undefined> {
    if (this.#dir === undefined) return Promise.resolve(undefined);
    const now = performance.now();
    if (this.#asked === undefined || now - this.#asked.at > FRESH) {
      this.#asked = { at: now, why: unwritable(this.#dir) };
    }
    return this.#asked.why;
  }
}

/** Found by doing: what a folder's mode says is not what a full disk, a quota or a lost mount does. */
async function unwritable(dir: string): Promise<string | undefined> {
  const probe = join(dir, "_health");
  try {
    await writeFile(probe, "ok\n");
    await rm(probe);
    return undefined;
  } catch (error) {
    const code = errno(error) ?? "an unknown error";
    return code === "ENOSPC" || code === "EDQUOT"
      ? "the disk is full"
      : `the folder cannot be written: ${code}`;
  }
}
