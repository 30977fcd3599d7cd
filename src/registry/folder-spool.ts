import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { asDiskError, CHUNK } from "../base/index.ts";
import type { Spool } from "./backing.ts";

/** The bytes of an upload in a private file below `folder`. Not synced: what a client is told is stored lies in a layout. */
export async function folderSpool(folder: string): Promise<Spool> {
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
