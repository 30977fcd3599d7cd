import { lstat, opendir, realpath } from "node:fs/promises";
import { basename, dirname, join, normalize } from "node:path";
import { errno } from "../base/index.ts";
import { VolumeError } from "./errors.ts";
import type { View } from "./view.ts";

/**
 * One step of making the private view. The words are those of the script in `view-script.ts`:
 * `root` shows the root's entries on a small file system of our own, `parent` does so for another folder,
 * `private` for one of temporary files, which stays writable; `fresh` makes a folder there that must not exist, `folder` one below it, `seal` makes what was shown that
 * way read-only, `bind` shows a volume.
 */
export type Step =
  | readonly ["root", scratch: string]
  | readonly ["parent", folder: string, mode: string]
  | readonly ["private", folder: string]
  | readonly ["fresh" | "folder", path: string]
  | readonly ["seal", folder: string]
  | readonly ["bind", source: string, target: string];

/** Where nothing may be mounted: the kernel's own file systems, whose folders nobody can make (runc refuses them too). */
const KERNEL = /^\/(?:proc|sys|dev)(?:\/|$)/;

/**
 * The steps that show `views` without making anything on the machine's own disks. A mount path that is missing is made
 * inside the nearest folder that exists, whose entries are shown on a file system in memory. That folder itself is then
 * read-only, so that what a command writes there fails instead of being lost; but one that is meant for temporary files
 * (mode 1777, as `/tmp`) stays writable, as in a pod: what is new in it is the command's alone, and goes with it.
 *
 * @param scratch an empty folder, used as a mount point where the root itself lacks a name
 * @throws VolumeError `mount-path-invalid`, `mount-path-busy`
 */
export async function planView(views: readonly View[], scratch: string): Promise<Step[]> {
  const parents = new Map<string, number>();
  const fresh = new Set<string>();
  const folders: Step[] = [];
  const binds: { target: string; source: string }[] = [];
  for (const { target, anchor, ...view } of await locateAll(views)) {
    const around = binds.findLast((b) => target.startsWith(`${b.target}/`));
    if (around !== undefined) await mustHold(around, target);
    else if (anchor !== undefined) {
      await mustBeListed(anchor, view.mountPath);
      parents.set(anchor, (await lstat(anchor)).mode & 0o7777);
      fresh.add(belowAnchor(anchor, target));
      folders.push(["folder", target]);
    }
    binds.push({ target, source: view.source });
  }
  const shown = [...parents].sort(([a], [b]) => a.length - b.length);
  return [
    ...shown.map(([path, mode]) => showing(path, mode, scratch)),
    ...[...fresh].map((path): Step => ["fresh", path]),
    ...folders,
    ...shown.flatMap(([path, mode]): Step[] => (isTemporary(path, mode) ? [] : [["seal", path]])),
    ...binds.map(({ source, target }): Step => ["bind", source, target]),
  ];
}

/**
 * Where each would be mounted, as far as this machine alone can say: before anything is fetched for it. Outer ones come first.
 * @throws VolumeError `mount-path-invalid`, `mount-path-busy`
 */
export async function locateAll<V extends Pick<View, "mountPath">>(
  views: readonly V[],
): Promise<readonly (V & Place)[]> {
  const located: (V & Place)[] = [];
  const sorted = [...views].sort((a, b) =>
    Buffer.compare(Buffer.from(a.mountPath), Buffer.from(b.mountPath)),
  );
  for (const view of sorted) {
    const place = await locate(view.mountPath);
    if (located.some(({ target }) => target === place.target)) {
      throw new VolumeError("mount-path-busy", `two volumes are to be mounted at ${view.mountPath}`, {
        wrongUse: true,
      });
    }
    located.push({ ...view, ...place });
  }
  return located;
}

/** The topmost of the missing folders. Should another user put a link there meanwhile, it must not be followed. */
function belowAnchor(anchor: string, target: string): string {
  const slash = target.indexOf("/", anchor.length + 1);
  return slash < 0 ? target : target.slice(0, slash);
}

function showing(path: string, mode: number, scratch: string): Step {
  if (path === "/") return ["root", scratch];
  return isTemporary(path, mode) ? ["private", path] : ["parent", path, mode.toString(8).padStart(4, "0")];
}

function isTemporary(path: string, mode: number): boolean {
  return path !== "/" && (mode & 0o1777) === 0o1777;
}

/** Only entries that we can list can be shown; the others would be gone from the command's view. */
async function mustBeListed(folder: string, mountPath: string): Promise<void> {
  try {
    await (await opendir(folder)).close();
  } catch (error) {
    throw invalid(mountPath, `${folder} cannot be listed: ${errno(error) ?? String(error)}`);
  }
}

/** A mount path with the links of what exists resolved, and the nearest existing folder above it where it is missing. */
interface Place {
  readonly target: string;
  readonly anchor?: string;
}

async function locate(mountPath: string): Promise<Place> {
  if (!mountPath.startsWith("/") || mountPath.includes("\0") || normalize(mountPath) === "/") {
    throw invalid(mountPath, "a mount path is absolute, and not the root itself");
  }
  if (mountPath.split("/").includes("..")) throw invalid(mountPath, "a mount path has no ..");
  let existing = normalize(mountPath).replace(/\/$/, "");
  const missing: string[] = [];
  for (;;) {
    const kind = await kindOf(existing);
    if (kind === "dangling") throw invalid(mountPath, `${existing} is a link that leads nowhere`);
    if (kind === "other") throw invalid(mountPath, `${existing} is not a folder`);
    if (kind === "folder") break;
    missing.unshift(basename(existing));
    existing = dirname(existing);
  }
  const anchor = await realpath(existing);
  const target = join(anchor, ...missing);
  if (KERNEL.test(target)) throw invalid(mountPath, "nothing can be mounted inside /proc, /sys or /dev");
  return missing.length === 0 ? { target } : { target, anchor };
}

async function kindOf(path: string): Promise<"folder" | "missing" | "dangling" | "other"> {
  try {
    const found = await lstat(path);
    if (found.isDirectory()) return "folder";
    if (!found.isSymbolicLink()) return "other";
    return (await lstat(await realpath(path))).isDirectory() ? "folder" : "other";
  } catch (error) {
    if (errno(error) !== "ENOENT") {
      if (errno(error) === "ENOTDIR") return "missing";
      throw new VolumeError(
        "mount-path-invalid",
        `${path} cannot be looked at: ${errno(error) ?? String(error)}`,
        {
          cause: error,
        },
      );
    }
    return (await lstat(path).catch(() => undefined)) === undefined ? "missing" : "dangling";
  }
}

/** A mount inside another volume needs its folder there, as in a pod: the volume is read-only. */
async function mustHold(around: { target: string; source: string }, target: string): Promise<void> {
  let at = around.source;
  for (const name of target.slice(around.target.length + 1).split("/")) {
    at = join(at, name);
    if ((await lstat(at).catch(() => undefined))?.isDirectory()) continue;
    throw new VolumeError(
      "mount-path-invalid",
      `mkdir ${target}: read-only file system: the volume at ${around.target} has no such folder`,
      { hint: "mount it elsewhere, or pack a folder of that name into the outer volume" },
    );
  }
}

function invalid(path: string, why: string): VolumeError {
  return new VolumeError("mount-path-invalid", `cannot mount at ${path}: ${why}`, { wrongUse: true });
}
