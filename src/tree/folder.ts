import { isUtf8 } from "node:buffer";
import {
  type Dirent,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename } from "node:path";
import { BaseError, type Call, printable } from "../base/index.ts";
import type { Entry } from "../tar/index.ts";
import { TreeError } from "./errors.ts";
import { IGNORE_FILE } from "./ignore.ts";
import { entryMode, entryTime, type MetadataOptions } from "./metadata.ts";
import { compareUtf8, orderKey } from "./order.ts";
import { changed, fileBody, ReadingRoom, refuse } from "./read-file.ts";
import { readIgnore } from "./read-ignore.ts";
import type { Tree } from "./tree.ts";
import { looksSecret, NameWatch, type Tell, unholdable, warning } from "./warn.ts";

export interface FolderOptions extends MetadataOptions {
  /** Stores what symbolic links lead to, instead of the links. */
  readonly followSymlinks?: boolean | undefined;
  /** The path of an ignore file; without it the source's own `.imgvolignore` is read, where there is one. */
  readonly ignoreFile?: string | undefined;
  readonly tell?: Tell | undefined;
  /** Where the tree will go in the volume: what is told names paths there. */
  readonly place?: string | undefined;
}

/**
 * The tree of a folder: what is in it, streamed, with the names of one folder a level in memory.
 * Its iteration throws BaseError `file-changed` or `file-unreadable`, TreeError `name-invalid`, `symlink-loop` or
 * `ignore-invalid`, each naming the path.
 */
export function folderTree(root: string, options: FolderOptions = {}): Tree {
  return (call) => new Walk(root, options).entries(call);
}

/** The tree of a file alone, at its root as `name`; a symbolic link is followed, since it was named. */
export function fileTree(path: string, options: FolderOptions = {}, name: string = basename(path)): Tree {
  return async function* () {
    const stat = refuse(path, () => statSync(path));
    if (!stat.isFile()) throw new BaseError("file-unreadable", `not a file or folder: ${printable(path)}`);
    const because = looksSecret(name, name, false) ?? ((stat.mode & 0o004) === 0 ? HIDDEN : undefined);
    const under = options.place ? `${options.place}/` : "";
    if (because !== undefined) options.tell?.(warning("secret", under + name, because));
    yield new Walk(path, { ...options, followSymlinks: true }).file(name, path, stat);
  };
}

const HIDDEN = "not readable by all";

interface Item {
  readonly name: string;
  readonly key: string;
  readonly folder: boolean;
}

interface Level {
  /** The folder's path in the volume. */
  readonly path: string;
  readonly items: readonly Item[];
  next: number;
  readonly watch: NameWatch;
  /** Identifies the folder, to find links that lead back. */
  readonly identity: string;
  /** Something was told of the folder itself that covers all that is in it. */
  readonly secret: boolean;
}

/** One walk over a source: its state is the folders on the way from the root to where it stands. */
class Walk {
  readonly #root: string;
  readonly #options: FolderOptions;
  readonly #tell: Tell;
  /** What stands before paths in findings. */
  readonly #under: string;
  readonly #room = new ReadingRoom();
  readonly #levels: Level[] = [];
  /** Files with several names of which not all were met yet. */
  readonly #linked = new Map<string, { path: string; left: number }>();

  constructor(root: string, options: FolderOptions) {
    this.#root = root.replace(/\/+$/, "");
    this.#options = options;
    this.#tell = options.tell ?? (() => {});
    this.#under = options.place ? `${options.place}/` : "";
  }

  async *entries(call: Call): AsyncGenerator<Entry> {
    const ignore = readIgnore(this.#full(IGNORE_FILE), this.#options.ignoreFile);
    this.#enter("", false);
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const item = level.items[level.next++];
      if (item === undefined) {
        this.#levels.pop();
        continue;
      }
      call.signal.throwIfAborted();
      await this.#room.breathe(8 * 1024);
      const path = level.path === "" ? item.name : `${level.path}/${item.name}`;
      if (ignore(path, item.folder)) continue;
      const entry = this.#visit(path, item, level);
      if (entry === undefined) continue;
      yield entry;
      if (entry.type === "dir") {
        this.#enter(path, level.secret || looksSecret(path, item.name, true) !== undefined);
      }
    }
  }

  /** Lists a folder and stands at its beginning. */
  #enter(path: string, secret: boolean): void {
    const full = this.#full(path);
    if (path === "" && !leadsToFolder(full)) {
      const message = `not a folder, or not to be looked into: ${printable(full)}`;
      throw new BaseError("file-unreadable", message, { wrongUse: true });
    }
    const found: Dirent<Buffer>[] = refuse(full, () =>
      readdirSync(full, { withFileTypes: true, encoding: "buffer" }),
    );
    const items = found.map((dirent) => this.#item(path, dirent));
    items.sort((a, b) => compareUtf8(a.key, b.key));
    const identity = this.#options.followSymlinks ? this.#identity(full) : "";
    if (identity !== "" && this.#levels.some((l) => l.identity === identity)) {
      throw new TreeError(
        "symlink-loop",
        `a symbolic link leads back to its own folder: ${printable(full)}`,
        {
          hint: "ignore it, or keep links as links",
        },
      );
    }
    this.#levels.push({ path, items, next: 0, watch: new NameWatch(this.#tell), identity, secret });
  }

  #item(folder: string, dirent: Dirent<Buffer>): Item {
    const name = dirent.name.toString();
    if (!isUtf8(dirent.name)) {
      throw new TreeError(
        "name-invalid",
        `not UTF-8: a name in ${printable(this.#full(folder))}: ${printable(name)}`,
        {
          hint: "rename it: an image's names are UTF-8",
        },
      );
    }
    let isFolder = dirent.isDirectory();
    if (dirent.isSymbolicLink() && this.#options.followSymlinks) {
      const full = this.#full(folder === "" ? name : `${folder}/${name}`);
      isFolder = leadsToFolder(full);
    }
    return { name, key: orderKey(name, isFolder ? "dir" : "file"), folder: isFolder };
  }

  /** The entry for one name, or undefined for what a volume cannot hold. */
  #visit(path: string, item: Item, level: Level): Entry | undefined {
    const full = this.#full(path);
    const why = unholdable(item.name);
    if (why !== undefined) {
      this.#tell(warning("skipped", this.#under + path, why));
      return undefined;
    }
    const stat = this.#stat(full);
    if (stat.isDirectory() !== item.folder) throw changed(full);
    level.watch.see(this.#under + path, item.name);
    if (!level.secret) this.#warnOfSecret(path, item, stat);
    if (stat.isFile()) return this.file(path, full, stat);
    if (stat.isDirectory()) return { ...this.#common(path, "dir", stat), type: "dir" };
    if (stat.isSymbolicLink()) {
      const raw = refuse(full, () => readlinkSync(full, "buffer"));
      if (!isUtf8(raw)) {
        throw new TreeError("name-invalid", `not UTF-8: the target of the link ${printable(full)}`);
      }
      return { ...this.#common(path, "symlink", stat), type: "symlink", target: raw.toString() };
    }
    this.#tell(
      warning(
        "skipped",
        this.#under + path,
        stat.isFIFO() ? "a pipe" : stat.isSocket() ? "a socket" : "a device",
      ),
    );
    return undefined;
  }

  #stat(full: string): Stats {
    if (!this.#options.followSymlinks) return refuse(full, () => lstatSync(full));
    try {
      return statSync(full);
    } catch (error) {
      const link = lstatSync(full, { throwIfNoEntry: false });
      if (!link?.isSymbolicLink()) return refuse(full, () => lstatSync(full));
      throw new BaseError("file-unreadable", `a symbolic link leads nowhere: ${printable(full)}`, {
        hint: "ignore it, or keep links as links",
        cause: error,
      });
    }
  }

  /** A regular file: its content under the first of its names, a hard link under every later one. */
  file(path: string, full: string, stat: Stats): Entry {
    if (stat.nlink > 1) {
      const identity = this.#identity(full);
      const first = this.#linked.get(identity);
      if (first !== undefined) {
        if (--first.left === 0) this.#linked.delete(identity);
        return { ...this.#common(path, "hardlink", stat), type: "hardlink", target: first.path };
      }
      this.#linked.set(identity, { path, left: stat.nlink - 1 });
    }
    if (!this.#options.keepModes && (stat.mode & 0o7000) !== 0) {
      this.#tell(warning("mode-dropped", this.#under + path));
    }
    const body = fileBody(this.#options.followSymlinks ? realpathSync(full) : full, stat, this.#room);
    return { ...this.#common(path, "file", stat), type: "file", size: stat.size, body };
  }

  #common(path: string, type: Entry["type"], stat: Stats): Pick<Entry, Common> {
    const { uid, gid } = this.#options.owner ?? { uid: 0, gid: 0 };
    const mtime = entryTime(stat.mtimeMs / 1000, this.#options);
    return { path, mode: entryMode(stat.mode, type, this.#options), uid, gid, mtime };
  }

  #warnOfSecret(path: string, item: Item, stat: Stats): void {
    const open = item.folder ? 0o005 : 0o004;
    const hidden = (stat.isFile() || item.folder) && (stat.mode & open) !== open;
    const because = looksSecret(path, item.name, item.folder) ?? (hidden ? HIDDEN : undefined);
    if (because !== undefined) this.#tell(warning("secret", this.#under + path, because));
  }

  /** A file's or folder's number, exact where Stats would round it. */
  #identity(full: string): string {
    const { dev, ino } = refuse(full, () => statSync(full, { bigint: true }));
    return `${dev}:${ino}`;
  }

  #full(path: string): string {
    return path === "" ? this.#root || "/" : `${this.#root}/${path}`;
  }
}

/** Whether a path is a folder or a link to one. A link to nothing is refused when it is its turn: it may be ignored. */
function leadsToFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

type Common = "path" | "mode" | "uid" | "gid" | "mtime";
