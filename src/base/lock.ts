import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "./call.ts";
import { errno } from "./errors.ts";
import { asFolderError, unwritable } from "./files.ts";
import { makeFolder } from "./make-folder.ts";

const BUSY = 5;
/** SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN: the file cannot be made, or not be written to. */
const REFUSED: ReadonlySet<number> = new Set([3, 8, 14]);

/**
 * Takes the lock kept in the small file at `path` (its folder is made if missing), waiting while
 * another holder has it. Node.js has no flock, so a lock is a transaction on a SQLite file: the kernel frees it
 * however the process ends. Locks are per opening: two calls in one process exclude each other too.
 *
 * @param mode `exclusive`, or `shared` with other shared holders.
 * @throws BaseError `folder-unwritable` where the file cannot be made
 */
export async function lock(path: string, mode: "exclusive" | "shared", call: Call): Promise<AsyncDisposable> {
  for (let wait = 5; ; wait = Math.min(wait * 2, 200)) {
    call.signal.throwIfAborted();
    const held = await tryLock(path, mode);
    if (held !== undefined) return held;
    await sleep(wait, undefined, { signal: call.signal });
  }
}

/**
 * As {@link lock}, `exclusive`, for a lock's file that its holders remove when nobody needs it. Whoever waited for one that was
 * removed holds what nobody else will find: it is given back, and the file that is there now is locked.
 */
export async function lockInPlace(path: string, call: Call): Promise<AsyncDisposable> {
  for (;;) {
    const before = await markOf(path);
    const held = await lock(path, "exclusive", call);
    if (before !== undefined && (await markOf(path)) === before) return held;
    await held[Symbol.asyncDispose]();
  }
}

/** Which file it is. By its name: closing a second opening of it would free the locks of the first (POSIX). */
export async function markOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** As {@link lock}, but undefined at once where another holder is in the way. */
export async function tryLock(
  path: string,
  mode: "exclusive" | "shared",
): Promise<AsyncDisposable | undefined> {
  const { DatabaseSync } = await import("node:sqlite");
  const folder = dirname(path);
  await makeFolder(folder, 0o700).catch((error: unknown) => {
    throw asFolderError(error, folder);
  });
  const db = new DatabaseSync(path, { open: false });
  try {
    db.open();
    db.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    if (mode === "exclusive") db.exec("BEGIN EXCLUSIVE");
    // A deferred transaction takes its shared lock at the first read.
    else db.exec("BEGIN; SELECT count(*) FROM sqlite_master");
  } catch (error) {
    if (db.isOpen) db.close();
    const result = resultOf(error);
    if (result === BUSY) return undefined;
    if (result !== undefined && REFUSED.has(result)) throw unwritable(folder, error);
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      if (db.isOpen) db.close();
    },
  };
}

/** SQLite's primary result code (https://www.sqlite.org/rescode.html), whatever its extended code. */
function resultOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : undefined;
}
