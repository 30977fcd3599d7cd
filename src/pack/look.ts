import { posix } from "node:path";
import { type Call, printable } from "../base/index.ts";
import type { Finding, Platform, Store } from "../oci/index.ts";
import { resolveManifest } from "../store/index.ts";
import type { Entry } from "../tar/index.ts";
import { type MergedLayers, mergeLayers, TreeError, tarStream } from "../tree/index.ts";

export interface LookOptions {
  /** Which platform's volume; default this machine's. */
  readonly platform?: Platform | undefined;
}

/** One line of `ls`. */
export interface Listed {
  /** From the volume's root, without a leading `/`. */
  readonly path: string;
  readonly type: "file" | "dir" | "symlink" | "hardlink";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** In bytes; of files. */
  readonly size?: number;
  /** Of links. */
  readonly target?: string;
}

/** What a node of a platform would see of an image. @throws OciError `platform-missing`; what {@link mergeLayers} throws */
export async function volumeOf(
  store: Store,
  tagOrDigest: string,
  options: LookOptions,
  call: Call,
): Promise<MergedLayers> {
  const { manifest } = await resolveManifest(store, tagOrDigest, call, options.platform);
  return mergeLayers(store, manifest.layers, call);
}

/**
 * Lists what is below `path` (the root where empty), in tree order, or what is at it where it is no folder.
 * @throws TreeError `path-missing`, and as {@link volumeOf}
 */
export async function* ls(
  store: Store,
  tagOrDigest: string,
  path: string,
  options: LookOptions & { readonly recursive?: boolean | undefined },
  call: Call,
): AsyncGenerator<Listed> {
  const volume = await volumeOf(store, tagOrDigest, options, call);
  const folder = find(volume, path, store);
  if (folder.type !== "dir") {
    yield listed(folder);
    return;
  }
  const under = folder.path === "" ? "" : `${folder.path}/`;
  for await (const entry of volume.tree(call)) {
    const name = entry.path.slice(under.length);
    if (!entry.path.startsWith(under) || name === "") continue;
    if (options.recursive === false && name.includes("/")) continue;
    yield listed(entry);
  }
}

function listed(entry: Entry): Listed {
  const { path, type, mode, uid, gid, mtime } = entry;
  const more =
    entry.type === "file" ? { size: entry.size } : entry.type === "dir" ? {} : { target: entry.target };
  return { path, type, mode, uid, gid, mtime, ...more };
}

/**
 * The bytes of one file; links are followed within the volume. A chunk is only good until the next is asked for.
 * @throws TreeError `path-missing` where there is no such file, and as {@link volumeOf}
 */
export async function* cat(
  store: Store,
  tagOrDigest: string,
  path: string,
  options: LookOptions,
  call: Call,
): AsyncGenerator<Uint8Array> {
  const volume = await volumeOf(store, tagOrDigest, options, call);
  const entry = find(volume, path, store);
  if (entry.type !== "file") {
    throw new TreeError("path-missing", `${printable(path)} is a folder in ${store.origin}`, {
      hint: "name a file in it: imgvol ls lists them",
    });
  }
  yield* entry.body.open(0, call);
}

function find(volume: MergedLayers, path: string, store: Store): Entry {
  const entry = volume.find(path, true);
  if (entry !== undefined) return entry;
  const link = volume.find(path);
  const why =
    link?.type === "symlink"
      ? `${printable(path)} is a link to ${printable(link.target)}, ${leadsOut(link) ? "which leads out of the volume" : "which leads to nothing"}, in ${store.origin}`
      : `no such file or folder in ${store.origin}: ${printable(path)}`;
  throw new TreeError("path-missing", why, {
    hint: "imgvol ls lists what is there",
  });
}

function leadsOut({ path, target }: { readonly path: string; readonly target: string }): boolean {
  return target.startsWith("/") || posix.join(posix.dirname(path), target).startsWith("../");
}

/**
 * The whole volume as one tar stream, layers and whiteouts resolved. Of an image that imgvol packed as one layer, it
 * is that layer's own tar, byte for byte. A chunk is only good until the next is asked for.
 * @param told hears once what the volume has and the stream has not
 * @throws as {@link volumeOf}
 */
export async function* exportTar(
  store: Store,
  tagOrDigest: string,
  options: LookOptions & { readonly tell?: ((finding: Finding) => void) | undefined },
  call: Call,
): AsyncGenerator<Uint8Array> {
  const volume = await volumeOf(store, tagOrDigest, options, call);
  for (const finding of volume.told) options.tell?.(finding);
  yield* tarStream(volume.layerOrder, { entries: 0, bytes: 0 }, call);
}
