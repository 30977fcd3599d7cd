import type { ByteSource } from "../base/index.ts";

interface Common {
  /** Relative to the volume's root, `/` between names, no leading or trailing `/`, no `.` or `..`; the root itself is "". */
  readonly path: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** One name in a volume: what a tree yields and the tar writer writes. */
export type Entry = Common &
  (
    | { readonly type: "file"; readonly size: number; readonly body: ByteSource }
    | { readonly type: "dir" }
    /** A hard link's target is a path of the same volume; a symbolic link's is kept as it is. */
    | { readonly type: "symlink" | "hardlink"; readonly target: string }
  );
