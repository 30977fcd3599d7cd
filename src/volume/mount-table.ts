import { readFile, readlink } from "node:fs/promises";
import { errno } from "../base/index.ts";

/** One line of `/proc/self/mountinfo` (proc(5)), as far as it is needed. */
export interface MountLine {
  /** The folder of the file system that is shown. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
}

/** What is mounted, as this process sees it; empty where there is no such table. */
export async function mountTable(): Promise<MountLine[]> {
  const text = await readFile("/proc/self/mountinfo", "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => {
    const [, , , root, mountPoint, options] = line.split(" ");
    if (root === undefined || mountPoint === undefined || options === undefined) return [];
    return [{ root: plain(root), mountPoint: plain(mountPoint), options: options.split(",") }];
  });
}

/** Spaces, tabs, line ends and backslashes are written as three octal digits. */
function plain(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Which mount table this process sees: a mount made in another one cannot be seen here. */
export async function mountNamespace(): Promise<string> {
  return await readlink("/proc/self/ns/mnt").catch(() => "none");
}
