import { constants } from "node:fs";
import { type FileHandle, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asDiskError, CHUNK, errno, release } from "../base/index.ts";
import { type Digest, isRepository } from "../oci/index.ts";
import type { Repository, Spool, Unfinished, Upload } from "./backing.ts";

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RECORD = ".json";

/** Gives a spool's file its place in a repository; false where it must be copied. */
type Adopt = (path: string, to: Repository, digest: Digest) => Promise<boolean>;

/**
 * Uploads in a private folder: `ID.json` says of what, `ID` has the bytes so far. Nothing of it is forced to the disk: it
 * outlives the process (kill -9 too), but not a crash of the machine, after which a file may have its length and not its bytes.
 * So each record names the boot in which it was written, and no other boot goes on with it.
 */
export class SpoolFolder {
  readonly #folder: string;
  readonly #adopt: Adopt;
  readonly #boot: string | undefined;
  /** Those that somebody in this process has. */
  readonly #taken = new Set<string>();

  constructor(folder: string, boot: string | undefined, adopt: Adopt) {
    this.#folder = folder;
    this.#boot = boot;
    this.#adopt = adopt;
  }

  async make({ id, name }: Upload): Promise<Spool> {
    this.#taken.add(id);
    try {
      const record = JSON.stringify({ name, boot: this.#boot });
      await writeFile(join(this.#folder, id + RECORD), record, { flag: "wx", mode: 0o600 });
    } catch (error) {
      this.#taken.delete(id);
      throw asDiskError(error, this.#folder);
    }
    return this.#spool(id, 0);
  }

  /** What a server before this one left and can go on; the rest is removed. */
  async unfinished(): Promise<readonly Unfinished[]> {
    const found: Unfinished[] = [];
    const ids = (await readdir(this.#folder)).map((file) => file.replace(/\.json$/, ""));
    for (const id of new Set(ids)) {
      if (!ID.test(id) || this.#taken.has(id)) continue;
      const left = await this.#left(id);
      if (left === undefined) await this.#remove(id);
      else found.push(left);
    }
    return found;
  }

  async #left(id: string): Promise<Unfinished | undefined> {
    const name = await this.#nameOf(id);
    if (name === undefined) return undefined;
    const path = join(this.#folder, id);
    const file = await stat(path).catch((error: unknown) => {
      if (errno(error) === "ENOENT") return undefined;
      throw error;
    });
    const { mtimeMs } = file ?? (await stat(path + RECORD));
    this.#taken.add(id);
    return { id, name, lastUse: mtimeMs, spool: this.#spool(id, file?.size ?? 0) };
  }

  /** The repository of an upload, where its record is whole and of this boot. */
  async #nameOf(id: string): Promise<string | undefined> {
    try {
      const record: unknown = JSON.parse(await readFile(join(this.#folder, id + RECORD), "utf8"));
      if (typeof record !== "object" || record === null) return undefined;
      if (!("name" in record && "boot" in record) || typeof record.name !== "string") return undefined;
      return record.boot === this.#boot && isRepository(record.name) ? record.name : undefined;
    } catch (error) {
      if (errno(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  #spool(id: string, size: number): Spool {
    return new FileSpool(join(this.#folder, id), size, this.#adopt, async (remove) => {
      if (remove) await this.#remove(id);
      this.#taken.delete(id);
    });
  }

  /** The bytes first: without its record nobody takes them for an upload. */
  async #remove(id: string): Promise<void> {
    await rm(join(this.#folder, id), { force: true });
    await rm(join(this.#folder, id + RECORD), { force: true });
  }
}

class FileSpool implements Spool {
  size: number;
  readonly #path: string;
  readonly #adopt: Adopt;
  readonly #end: (remove: boolean) => Promise<void>;
  /** Opened when first needed. */
  #opened: Promise<FileHandle> | undefined;
  #flushed = false;

  constructor(path: string, size: number, adopt: Adopt, end: (remove: boolean) => Promise<void>) {
    this.#path = path;
    this.size = size;
    this.#adopt = adopt;
    this.#end = end;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#flushed = false;
    try {
      const file = await this.#file();
      for (let at = 0; at < chunk.length; ) {
        const { bytesWritten } = await file.write(chunk, at, chunk.length - at, this.size + at);
        at += bytesWritten;
      }
    } catch (error) {
      // The file's length is what a server after this one goes by.
      await this.truncate(this.size).catch(() => {});
      throw asDiskError(error, this.#path);
    }
    this.size += chunk.length;
  }

  async flush(): Promise<void> {
    if (this.#flushed) return;
    const file = await this.#file();
    await file.truncate(this.size);
    await file.chmod(0o644);
    // Its age as a blob begins now.
    const now = new Date();
    await file.utimes(now, now);
    await file.sync();
    this.#flushed = true;
  }

  async adopt(to: Repository, digest: Digest): Promise<boolean> {
    await this.flush();
    return await this.#adopt(this.#path, to, digest);
  }

  async truncate(to: number): Promise<void> {
    this.#flushed = false;
    await (await this.#file()).truncate(to);
    this.size = to;
  }

  async *open(offset: number, { signal }: { readonly signal: AbortSignal }): AsyncIterable<Uint8Array> {
    const file = await this.#file();
    for (let at = offset; at < this.size; ) {
      signal.throwIfAborted();
      const want = Math.min(CHUNK, this.size - at);
      const buffer = Buffer.allocUnsafeSlow(want);
      try {
        const { bytesRead } = await file.read(buffer, 0, want, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      } finally {
        // A mirror has many readers at one time.
        release(buffer);
      }
    }
  }

  async close(): Promise<void> {
    await this.#release();
    await this.#end(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release();
    await this.#end(true);
  }

  #file(): Promise<FileHandle> {
    // "a" would ignore the position of writes, "w" what is there.
    this.#opened ??= open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600).catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #release(): Promise<void> {
    const file = await this.#opened?.catch(() => undefined);
    this.#opened = undefined;
    await file?.close();
  }
}
