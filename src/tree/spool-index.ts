import type { FileHandle } from "node:fs/promises";
import { type ByteSource, CHUNK, printable } from "../base/index.ts";
import { cleanPath, type Entry, type TarHeader } from "../tar/index.ts";
import { TreeError } from "./errors.ts";
import { entryMode, entryTime, type MetadataOptions } from "./metadata.ts";
import { compareUtf8, nameOf, orderKey, parentsOf } from "./order.ts";
import { looksSecret, NameWatch, type Tell, unholdable, warning } from "./warn.ts";

export interface TarTreeOptions extends MetadataOptions {
  readonly tell?: Tell | undefined;
  /** Default a million. */
  readonly mostEntries?: number | undefined;
}

/** Names are kept in memory, so their number is limited. */
const MOST_ENTRIES = 1_000_000;

/** An archive's entry. */
interface Spooled {
  readonly header: TarHeader;
  readonly path: string;
  readonly type: "file" | "dir" | "symlink";
  /** Where a file's content lies in the temporary file; names that share it are hard links. */
  readonly content: Content;
}

interface Content {
  at: number;
  readonly size: number;
}

const NOTHING: Content = { at: 0, size: 0 };

/** The entries of an archive that is read once: the last one of each path, and where its content was written to. */
export class SpoolIndex {
  readonly #options: TarTreeOptions;
  readonly #tell: Tell;
  readonly #found = new Map<string, Spooled>();
  /** The content whose first byte is still to come. */
  #awaited: Content | undefined;

  constructor(options: TarTreeOptions) {
    this.#options = options;
    this.#tell = options.tell ?? (() => {});
  }

  /** Contents of the entry that was added last lie at `at` of the temporary file, the first or further ones. */
  locate(at: number): void {
    if (this.#awaited !== undefined) this.#awaited.at = at;
    this.#awaited = undefined;
  }

  add(header: TarHeader): void {
    this.#awaited = undefined;
    const path = cleanPath(header.path);
    if (path === undefined) throw unsafe(header.path, "leads out of the archive's root");
    if (path === "") return;
    if (header.type === "char" || header.type === "block" || header.type === "fifo") {
      this.#tell(warning("skipped", path, header.type === "fifo" ? "a pipe" : "a device"));
      return;
    }
    const why = path.split("/").map(unholdable).find(Boolean);
    if (why !== undefined) {
      this.#tell(warning("skipped", path, why));
      return;
    }
    if (header.xattrs) this.#tell(warning("xattr-dropped", path, header.xattrs.join(", ")));
    if (header.type === "hardlink") this.#put(path, this.#linked(header), "file", header);
    else {
      const content = header.type === "file" ? { at: 0, size: header.size } : NOTHING;
      if (header.type === "file") this.#awaited = content;
      this.#put(path, content, header.type, header);
    }
  }

  /** The content that a hard link shares. */
  #linked(header: TarHeader): Content {
    const target = cleanPath(header.target ?? "");
    const first = target === undefined ? undefined : this.#found.get(target);
    if (first?.type === "file") return first.content;
    throw unsafe(header.path, `is a hard link to no earlier file: ${header.target}`);
  }

  #put(path: string, content: Content, type: Spooled["type"], header: TarHeader): void {
    const most = this.#options.mostEntries ?? MOST_ENTRIES;
    if (this.#found.size >= most) {
      throw new TreeError("too-many-entries", `the archive has more than ${most} entries`);
    }
    this.#found.set(path, { header, path, type, content });
  }

  /** Adds the folders that the archive left out. */
  complete(): void {
    for (const { path, header } of [...this.#found.values()]) {
      for (const parent of parentsOf(path)) {
        const found = this.#found.get(parent);
        if (found === undefined) this.#put(parent, NOTHING, "dir", { ...header, type: "dir", mode: 0o755 });
        else if (found.type !== "dir") throw unsafe(path, `lies below ${parent}, which is no folder`);
      }
    }
  }

  /** All entries in tree order. */
  entries(contents: FileHandle): readonly Entry[] {
    const sorted = [...this.#found.values()].sort((a, b) =>
      compareUtf8(orderKey(a.path, a.type), orderKey(b.path, b.type)),
    );
    const firsts = new Map<Content, string>();
    const watch = new NameWatch(this.#tell);
    return sorted.map((found) => {
      this.#warn(found, watch);
      return this.#entry(found, firsts, contents);
    });
  }

  #entry(found: Spooled, firsts: Map<Content, string>, contents: FileHandle): Entry {
    const { path, type, header, content } = found;
    const { uid, gid } = this.#options.owner ?? { uid: 0, gid: 0 };
    const mode = entryMode(header.mode, type, this.#options);
    const common = { path, mode, uid, gid, mtime: entryTime(header.mtime, this.#options) };
    if (type === "dir") return { ...common, type };
    if (type === "symlink") return { ...common, type, target: header.target ?? "" };
    const first = firsts.get(content);
    if (first !== undefined) return { ...common, type: "hardlink", target: first };
    firsts.set(content, path);
    return { ...common, type, size: content.size, body: range(contents, content) };
  }

  #warn({ path, type, header }: Spooled, watch: NameWatch): void {
    const name = nameOf(path);
    watch.see(path, name);
    const hidden = type === "file" && (header.mode & 0o004) === 0;
    const because = looksSecret(path, name, type === "dir") ?? (hidden ? "not readable by all" : undefined);
    if (because !== undefined) this.#tell(warning("secret", path, because));
    if (type === "file" && !this.#options.keepModes && (header.mode & 0o7000) !== 0) {
      this.#tell(warning("mode-dropped", path));
    }
  }
}

function range(contents: FileHandle, { at, size }: Content): ByteSource {
  return {
    size,
    async *open(offset, call) {
      for (let from = offset; from < size; ) {
        call.signal.throwIfAborted();
        const want = Math.min(CHUNK, size - from);
        const { bytesRead, buffer } = await contents.read(Buffer.allocUnsafe(want), 0, want, at + from);
        if (bytesRead === 0) throw new Error("the temporary file is shorter than what was written to it");
        from += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
  };
}

function unsafe(path: string, why: string): TreeError {
  return new TreeError("tar-unsafe", `the archive's entry ${printable(path)} ${printable(why)}`, {
    hint: "make the archive from within its folder: tar -C FOLDER -cf - .",
  });
}
