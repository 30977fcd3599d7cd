import { randomUUID } from "node:crypto";
import { lstat, mkdtemp, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BaseError, errno } from "./errors.ts";
import { makeFolder, syncFolder } from "./make-folder.ts";

/**
 * Writes a small file so that a reader sees the old bytes or the new, never a mixture, and so that
 * the new bytes are on the disk when it returns. `path`'s folder must exist.
 */
export async function replaceFile(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw asDiskError(error, path);
  }
  await syncFolder(dirname(path));
}

/** A new, private (0700) folder below `parent`, which is made if it is missing; removed on dispose. */
export async function temporaryFolder(
  parent: string,
  prefix = "tmp-",
): Promise<{ path: string } & AsyncDisposable> {
  await makeFolder(parent, 0o700);
  const path = await mkdtemp(join(parent, prefix));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Whether something, of any kind, stands at `path`. Other errors than "not there" are thrown. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return false;
    throw asDiskError(error, path);
  }
}

// What system calls say of a folder that we may not write to, or that cannot be made.
const REFUSED: ReadonlySet<string | undefined> = new Set(
  "EACCES EPERM EROFS ENOENT ENOTDIR EEXIST ELOOP".split(" "),
);

/** An error of making or filling a folder as `folder-unwritable` or `disk-full`; any other comes back as it is. */
export function asFolderError(error: unknown, folder: string, hint?: string): unknown {
  const code = errno(error);
  if (code !== "folder-unwritable" && !REFUSED.has(code)) return asDiskError(error, folder);
  return unwritable(folder, error, hint);
}

export function unwritable(
  folder: string,
  cause: unknown,
  hint = "check who owns it, and whether its disk is read-only",
): BaseError {
  return new BaseError("folder-unwritable", `cannot write to the folder ${folder}`, { hint, cause });
}

/**
 * Turns a full disk or quota into the coded error `disk-full`, a name that the disk cannot have into `name-too-long`; any other
 * error comes back as it is.
 */
export function asDiskError(error: unknown, path: string): unknown {
  const code = errno(error);
  if (code === "ENAMETOOLONG") {
    return new BaseError("name-too-long", `${path} is too long a name for a file or folder`, {
      hint: "choose a shorter one: most disks take 255 bytes between two slashes, and 4095 in all",
      wrongUse: true,
    });
  }
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new BaseError("disk-full", `no room left on the disk that holds ${path}`, {
    hint: "free some space, or put the folder on another disk",
    cause: error,
  });
}
