import { resolve, sep } from "node:path";
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
  return typeof path === "string" && isIn(path, place) && ["EACCES", "EPERM", "EROFS"].includes(code ?? "");
}

/** However the two are written: `./a` and `a/b`. */
function isIn(path: string, place: string): boolean {
  const [inner, outer] = [resolve(path), resolve(place)];
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}
