import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { asDiskError, CHUNK } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import type { Repository, Spool } from "./backing.ts";

/** Whether a file's name is one that {@link folderSpool} gives. */
export function isSpool(name: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);
}

/** The bytes of an upload in a private file below `folder`; `adopt` gives the file a second name, in a repository. */
export async function folderSpool(
  folder: string,
  adopt: (path: string, to: Repository, digest: Digest) => Promise<boolean>,
): Promise<Spool> {
  const path = join(folder, randomUUID());
  const file = await open(path, "wx+", 0o600);
  let size = 0;
  return {
    get size() {
      return size;
    },
    async append(chunk) {
      try {
        for (let at = 0; at < chunk.length; ) {
          const { bytesWritten } = await file.write(chunk, at, chunk.length - at, size + at);
          at += bytesWritten;
        }
      } catch (error) {
        throw asDiskError(error, folder);
      }
      size += chunk.length;
    },
    async adopt(to, digest) {
      // A write that failed half-way may have left bytes behind the last whole chunk.
      await file.truncate(size);
      await file.chmod(0o644);
      await file.sync();
      return await adopt(path, to, digest);
    },
    async truncate(to) {
      await file.truncate(to);
      size = to;
    },
    async *open(offset, call) {
      for (let at = offset; at < size; ) {
        call.signal.throwIfAborted();
        const want = Math.min(CHUNK, size - at);
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(want), 0, want, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
    async [Symbol.asyncDispose]() {
      await file.close();
      await rm(path, { force: true });
    },
  };
}
