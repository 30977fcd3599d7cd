import { type FileHandle, open, stat } from "node:fs/promises";
import { type Call, errno } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { type Contents, readContents } from "./archive-read.ts";

/** An archive's file at one moment: a new one may take its place, but does not change this one. */
export interface ArchiveFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly contents: Contents;
  /** Says whether a file is this one, unchanged. */
  readonly mark: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What was found in a file: it need not be read again as long as the file is the same. */
export type Known = Pick<ArchiveFile, "mark" | "contents">;

/**
 * Opens the file and finds what is in it; undefined where there is none.
 * @param mayBeEmpty a file without a byte is none: somebody made a name for us
 * @throws StoreError `store-invalid`, `denied`
 */
export async function openFile(
  path: string,
  known: Known | undefined,
  mayBeEmpty: boolean,
  call: Call,
): Promise<ArchiveFile | undefined> {
  call.signal.throwIfAborted();
  const handle = await openPlain(path);
  if (handle === undefined) return undefined;
  let kept = false;
  try {
    const { dev, ino, size, mtimeNs, mode, uid, gid } = await handle.stat({ bigint: true });
    if (mayBeEmpty && size === 0n) return undefined;
    const mark = `${dev}:${ino}:${size}:${mtimeNs}`;
    const contents =
      known?.mark === mark ? known.contents : await readContents(handle, path, Number(size), call);
    kept = true;
    return {
      handle,
      contents,
      mark,
      mode: Number(mode),
      uid: Number(uid),
      gid: Number(gid),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } finally {
    if (!kept) await handle.close();
  }
}

async function openPlain(path: string): Promise<FileHandle | undefined> {
  try {
    const found = await stat(path);
    // Opening a named pipe would wait for ever.
    if (found.isFile()) return await open(path, "r");
    const hint = found.isDirectory() ? { hint: `a layout folder is oci:${path}` } : {};
    throw new StoreError("store-invalid", `${path} is not a file`, { ...hint, wrongUse: true });
  } catch (error) {
    const code = errno(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    throw new StoreError("denied", `${path} cannot be read`, { hint: "check who owns it", cause: error });
  }
}
