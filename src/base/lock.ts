import { closeSync, openSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
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
  return await waitFor(() => tryLock(path, mode), call);
}

async function waitFor(
  attempt: () => Promise<AsyncDisposable | undefined>,
  call: Call,
): Promise<AsyncDisposable> {
  for (let wait = 5; ; wait = Math.min(wait * 2, 200)) {
    call.signal.throwIfAborted();
    const held = await attempt();
    if (held !== undefined) return held;
    await sleep(wait, undefined, { signal: call.signal });
  }
}

/**
 * As {@link lock}, `exclusive`, for a lock's file that its holders remove when nobody needs it. Whoever waited for one that was
 * removed holds what nobody else will find: it is given back, and the file that is there now is locked. It is its owner's alone:
 * another user who may read it, could lock it too, and keep the owner waiting.
 */
export async function lockInPlace(path: string, call: Call): Promise<AsyncDisposable> {
  for (;;) {
    const before = await markOf(path);
    const held = await waitFor(() => attempt(path, "exclusive", 0o600), call);
    if (before !== undefined && (await markOf(path)) === before) return held;
    await held[Symbol.asyncDispose]();
  }
}

/** As {@link lockInPlace}, for a lock whose file is there only while it is held. Dispose: removes it. */
export async function passingLock(path: string, call: Call): Promise<AsyncDisposable> {
  const held = await lockInPlace(path, call);
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true });
      await held[Symbol.asyncDispose]();
    },
  };
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
  return await attempt(path, mode);
}

/** @param bits of a file that has to be made. Default: SQLite's */
async function attempt(
  path: string,
  mode: "exclusive" | "shared",
  bits?: number,
): Promise<AsyncDisposable | undefined> {
  const { DatabaseSync } = await import("node:sqlite");
  const folder = dirname(path);
  await makeFolder(folder, 0o700).catch((error: unknown) => {
    throw asFolderError(error, folder);
  });
  const db = new DatabaseSync(path, { open: false });
  try {
    if (bits !== undefined) makeFile(path, bits);
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

/** In one go, and only where it is not there: closing a second opening of a file that is locked would free the lock. */
function makeFile(path: string, bits: number): void {
  try {
    closeSync(openSync(path, "wx", bits));
  } catch {
    // There already, or refused: SQLite says which.
  }
}

/** SQLite's primary result code (https://www.sqlite.org/rescode.html), whatever its extended code. */
function resultOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : undefined;
}
