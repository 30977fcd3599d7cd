import { lstat, readlink } from "node:fs/promises";
import { join } from "node:path";
import { errno, printable } from "../base/index.ts";
import { VolumeError } from "./errors.ts";

/** Links that may be followed on the way, as in Linux. */
const LINKS = 40;

/**
 * The folder of a volume that a subPath names. Links are resolved within the volume, name by name, and never by the disk;
 * one that leads out is refused, as containerd does (its Go `os.Root`).
 *
 * @returns its path, absolute
 * @throws VolumeError `subpath-missing`, `subpath-not-a-directory`, `subpath-escapes`, in the words of containerd
 */
export async function resolveSubPath(root: string, subPath: string): Promise<string> {
  if (subPath === "" || subPath === ".") return root;
  if (subPath.startsWith("/") || subPath.includes("\0")) throw escapes(subPath);
  const wanted = subPath.split("/").reverse();
  const at: string[] = [];
  for (let links = 0; wanted.length > 0; ) {
    const name = wanted.pop();
    if (name === undefined || name === "" || name === ".") continue;
    if (name === "..") {
      if (at.pop() === undefined) throw escapes(subPath);
      continue;
    }
    const here = join(root, ...at, name);
    const found = await look(here, subPath);
    if (found.isSymbolicLink()) {
      const target = await readlink(here);
      if (target.startsWith("/") || ++links > LINKS) throw escapes(subPath);
      wanted.push(...target.split("/").reverse());
    } else if (found.isDirectory()) at.push(name);
    else {
      throw new VolumeError(
        "subpath-not-a-directory",
        `only directory subpath is supported, subpath: ${printable(JSON.stringify(subPath))}`,
        { hint: "name the folder that holds the file", wrongUse: true },
      );
    }
  }
  return join(root, ...at);
}

async function look(path: string, subPath: string): Promise<Awaited<ReturnType<typeof lstat>>> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errno(error) !== "ENOENT") throw error;
    throw new VolumeError(
      "subpath-missing",
      `failed to ensure image subpath ${printable(JSON.stringify(subPath))}: no such file or directory`,
      { hint: "imgvol ls shows what the image has", wrongUse: true },
    );
  }
}

function escapes(subPath: string): VolumeError {
  return new VolumeError(
    "subpath-escapes",
    `subpath ${printable(JSON.stringify(subPath))}: path escapes from parent`,
    {
      hint: "a subpath is relative and stays inside the volume",
      wrongUse: true,
    },
  );
}
