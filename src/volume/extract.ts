import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  openSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import { errno } from "../base/index.ts";
import type { TarHeader, TarSink } from "../tar/index.ts";
import type { ContentsWriter } from "./contents.ts";
import { VolumeError } from "./errors.ts";
import { type Guard, inside, shown } from "./guard.ts";
import type { Told } from "./tell.ts";
import { parentOf, VolumeTree } from "./volume-tree.ts";

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const WHITEOUT = ".wh.";

/** The entry being written. */
interface Open {
  readonly path: string;
  readonly fd: number;
  readonly header: TarHeader;
  crc: number;
}

export interface ExtractOptions {
  /** Root gives files their owners; others cannot. */
  readonly owners: boolean;
  readonly umask: number;
}

/**
 * Writes the entries of layers to the disk, synchronously: in a worker, that is the fastest way by far. A file is always made
 * anew (`O_EXCL`), so nothing is ever written through a link, soft or hard.
 */
export class Extractor implements TarSink {
  readonly #tree: VolumeTree;
  readonly #guard: Guard;
  readonly #told: Told;
  readonly #contents: ContentsWriter;
  readonly #options: ExtractOptions;
  #open: Open | undefined;

  constructor(root: string, guard: Guard, told: Told, contents: ContentsWriter, options: ExtractOptions) {
    const gone = (path: string): void => contents.add({ path, type: "gone" });
    this.#tree = new VolumeTree(root, () => guard.implied(), gone);
    this.#guard = guard;
    this.#told = told;
    this.#contents = contents;
    this.#options = options;
  }

  beginLayer(index: number): void {
    this.#tree.beginLayer(index);
  }

  entry(header: TarHeader): void {
    const path = this.#guard.entry(header.path);
    if (header.path.startsWith("/")) this.#told.add("name-absolute", header.path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (name.startsWith(WHITEOUT)) {
      this.#whiteout(parentOf(path), name.slice(WHITEOUT.length));
      return;
    }
    if (path === "") {
      // The root is always 0755 root:root, whatever the layer says.
      if (header.type === "dir") return;
      throw new VolumeError("entry-unsafe", "an entry would replace the volume's root");
    }
    this.#tree.makeParents(path);
    this.#tree.touch(path);
    this.#note(path, header);
    if (header.type === "dir") {
      this.#tree.makeFolder(path, { ...header, mode: header.mode & 0o777 }, () => this.#tree.remove(path));
    } else if (header.type === "file") this.#file(path, header);
    else if (header.type === "symlink") this.#symlink(path, header, header.target ?? "");
    else if (header.type === "hardlink") this.#hardlink(path, header, inside(header.target ?? ""));
    else this.#told.add("device-skipped", path);
  }

  data(chunk: Uint8Array): void {
    if (this.#open === undefined) return;
    this.#open.crc = crc32(chunk, this.#open.crc);
    for (let at = 0; at < chunk.length; ) at += writeSync(this.#open.fd, chunk, at);
  }

  end(): void {
    if (this.#open === undefined) return;
    const { path, fd, header, crc } = this.#open;
    const mode = header.mode & 0o777;
    if (this.#options.owners) fchownSync(fd, header.uid, header.gid);
    if ((mode & this.#options.umask) !== 0) fchmodSync(fd, mode);
    futimesSync(fd, header.mtime, header.mtime);
    closeSync(fd);
    this.#open = undefined;
    this.#contents.add({ path, type: "file", mode, size: header.size, crc });
  }

  /** Frees what an error left open. */
  abandon(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  /** Gives the folders their modes, owners and times, the deepest first: a folder may forbid what is needed below it. */
  finish(): void {
    const folders = [...this.#tree.folders].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [path, { mode, uid, gid, mtime }] of folders) {
      const at = this.#tree.at(path);
      if (this.#options.owners) lchownSync(at, uid, gid);
      if (mtime !== undefined) utimesSync(at, mtime, mtime);
      chmodSync(at, mode);
      this.#contents.add({ path, type: "dir", mode });
    }
    chmodSync(this.#tree.root, 0o755);
  }

  #note(path: string, header: TarHeader): void {
    if ((header.mode & 0o7000) !== 0 && header.type !== "symlink")
      this.#told.add("special-bits-dropped", path);
    if (header.xattrs !== undefined && header.xattrs.length > 0) this.#told.add("xattrs-dropped", path);
    if (!this.#options.owners) {
      if (header.uid !== 0 || header.gid !== 0) this.#told.add("owner-dropped", path);
      return;
    }
    // The kernel takes the largest number for "leave as it is".
    for (const id of [header.uid, header.gid]) {
      if (id >= 0 && id < 0xffff_ffff) continue;
      throw new VolumeError("entry-invalid", `${shown(path)} belongs to ${id}, which is no user or group id`);
    }
  }

  #file(path: string, header: TarHeader): void {
    this.#guard.announce(header.size);
    const mode = header.mode & 0o777;
    const fd = this.#anew(path, () => openSync(this.#tree.at(path), CREATE, mode));
    this.#open = { path, fd, header, crc: 0 };
  }

  #symlink(path: string, header: TarHeader, target: string): void {
    if (target === "" || target.includes("\0")) {
      throw new VolumeError("entry-invalid", `${shown(path)} is a link without a target`);
    }
    const at = this.#tree.at(path);
    this.#anew(path, () => symlinkSync(target, at));
    if (this.#options.owners) lchownSync(at, header.uid, header.gid);
    lutimesSync(at, header.mtime, header.mtime);
    this.#contents.add({ path, type: "symlink", target });
  }

  /** Only to what this volume has, and never through a link. */
  #hardlink(path: string, header: TarHeader, target: string): void {
    const found = this.#tree.look(target);
    if (found === undefined || found.isDirectory() || target === path || target === "") {
      throw new VolumeError(
        "entry-unsafe",
        `${shown(path)} links to ${shown(target)}, which is no file of the volume`,
        {
          hint: "the image is broken or hostile: imgvol ls shows its entries",
        },
      );
    }
    const from = this.#tree.at(target);
    // Some systems follow a symbolic link here; making another one like it is the same to every reader.
    if (found.isSymbolicLink()) {
      this.#symlink(path, header, readlinkSync(from));
      return;
    }
    this.#anew(path, () => linkSync(from, this.#tree.at(path)));
    this.#contents.add({ path, type: "hardlink", target });
  }

  /** Makes something where nothing may stand; what stood there goes. */
  #anew<T>(path: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (errno(error) !== "EEXIST") throw error;
      this.#tree.remove(path);
      return make();
    }
  }

  #whiteout(folder: string, name: string): void {
    if (name === ".wh..opq") {
      this.#tree.removeLowerBelow(folder);
      return;
    }
    // Other names that begin so are aufs' own notes, which runtimes pass over.
    if (name.startsWith(WHITEOUT)) return;
    if (name === "" || name === "." || name === "..") {
      throw new VolumeError("entry-unsafe", `a whiteout in ${shown(folder)} names ${shown(name)}`);
    }
    this.#tree.removeLower(folder === "" ? name : `${folder}/${name}`);
  }
}
