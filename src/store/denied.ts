import { asDiskError, errno } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";

/** Runs what changes files below `place` (a folder or file of ours); errors of the disk become what they mean for a store. */
export async function changing<T>(origin: string, place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!refused(error, place)) throw asDiskError(error, place);
    throw new StoreError("denied", `${origin} cannot be written`, {
      hint: `check who owns ${place}, and whether its disk is read-only`,
      cause: error,
    });
  }
}

/** Whether it is our own place that we may not change: a source's errors pass here too. */
function refused(error: unknown, place: string): boolean {
  const code = errno(error);
  if (code === "ERR_SQLITE_ERROR" || code === "folder-unwritable") return true;
  const path = error instanceof Error && "path" in error ? error.path : undefined;
  const ours = typeof path === "string" && path.startsWith(place);
  return ours && (code === "EACCES" || code === "EPERM" || code === "EROFS");
}
