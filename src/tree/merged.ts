import { printable } from "../base/index.ts";
import type { Finding } from "../oci/index.ts";
import { cleanPath, type TarHeader } from "../tar/index.ts";
import { TreeError } from "./errors.ts";
import { compareUtf8, orderKey } from "./order.ts";
import { warning } from "./warn.ts";

/** Where a file's bytes are. Hard links share one. */
export interface Content {
  readonly layer: number;
  /** The how-manieth entry of its layer. */
  readonly ordinal: number;
  readonly size: number;
  /** The SHA-256 of the bytes in hexadecimal digits, once they were all seen. */
  hash: string | undefined;
}

interface Stated {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

interface Common {
  stated: Stated;
  /** The last layer that stated it: a whiteout hides only what lower layers stated. */
  layer: number;
  /** Where it first appeared, for layer order. */
  readonly at: number;
}
export type FileNode = Common & { readonly type: "file"; readonly content: Content };
export type LinkNode = Common & { readonly type: "symlink"; readonly target: string };
export type FolderNode = Common & { readonly type: "dir"; readonly children: Map<string, Node> };
export type Node = FileNode | LinkNode | FolderNode;

interface Step {
  readonly name: string;
  readonly node: FolderNode;
}

const ROOT: Stated = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Linux follows as many links in one path. */
const MOST_LINKS = 40;
/** Names are kept in memory, so their number is limited. */
const MOST_ENTRIES = 1_000_000;
const DEEPEST = 2048;

/**
 * An image's layers laid over each other (image-spec, layer.md): later entries win, whiteouts hide what lower layers
 * have, and a link on the way to an entry is followed within the volume, as containerd and podman do.
 */
export class Merged {
  readonly root: FolderNode = { type: "dir", stated: ROOT, layer: -1, at: -1, children: new Map() };
  readonly told: Finding[] = [];
  readonly #most: number;
  #entries = 0;

  constructor(mostEntries: number = MOST_ENTRIES) {
    this.#most = mostEntries;
  }

  /**
   * Lays one entry over what is there; layers from the lowest, entries in their order.
   * @returns the content that the entry's bytes belong to, where they are wanted
   * @throws TreeError `layer-invalid`, `too-many-entries`
   */
  apply(header: TarHeader, layer: number, ordinal: number): Content | undefined {
    if (++this.#entries > this.#most) {
      throw new TreeError("too-many-entries", `the image has more than ${this.#most} entries`);
    }
    const path = cleanPath(header.path);
    if (path === undefined) throw invalid(header.path, "leads out of the volume");
    const at = layer * 2 ** 32 + ordinal;
    const names = path.split("/");
    const name = names.pop() ?? "";
    if (name === "") return undefined; // The root's own entry: runtimes make it 0755.
    if (name.startsWith(WHITEOUT)) {
      this.#hide(names, name, layer);
      return undefined;
    }
    if (header.xattrs && this.told.length < 1000) {
      this.told.push(warning("xattr-dropped", path, header.xattrs.join(", ")));
    }
    const stated = { mode: header.mode, uid: header.uid, gid: header.gid, mtime: header.mtime };
    const folder = this.#folder(names, { stated, layer, at });
    if (folder === undefined) throw invalid(path, "lies below something that is no folder");
    const before = folder.children.get(name);
    if (header.type === "dir" && before?.type === "dir") {
      before.stated = stated;
      before.layer = layer;
      return undefined;
    }
    const node = this.#node(header, path, { stated, layer, at }, ordinal);
    folder.children.delete(name);
    if (node !== undefined) folder.children.set(name, node);
    return node?.type === "file" && header.type === "file" ? node.content : undefined;
  }

  #node(header: TarHeader, path: string, common: Common, ordinal: number): Node | undefined {
    const { layer } = common;
    switch (header.type) {
      case "dir":
        return { ...common, type: "dir", children: new Map() };
      case "file":
        return { ...common, type: "file", content: { layer, ordinal, size: header.size, hash: undefined } };
      case "symlink":
        return { ...common, type: "symlink", target: header.target ?? "" };
      case "hardlink": {
        const target = cleanPath(header.target ?? "");
        const first = target === undefined ? undefined : this.find(target)?.node;
        if (first === undefined || first.type === "dir") {
          throw invalid(path, `is a hard link to ${header.target}, which is no file of the volume`);
        }
        return { ...first, layer, at: common.at };
      }
      default:
        if (this.told.length < 1000) this.told.push(warning("skipped", path, "a device or pipe"));
        return undefined;
    }
  }

  /** The node at a path, with the path that leads to it without links; a link at the end is followed where asked. */
  find(path: string, follow = false): { readonly path: string; readonly node: Node } | undefined {
    let wanted = path;
    for (let links = 0; ; links++) {
      const names = wanted.split("/");
      const name = names.at(-1) ?? "";
      const whole = name === "" || name === "." || name === "..";
      const way = this.#walk(whole ? names : names.slice(0, -1));
      if (way === undefined) return undefined;
      const folder = way.at(-1)?.node ?? this.root;
      const node = whole ? folder : folder.children.get(name);
      if (node === undefined) return undefined;
      if (!follow || node.type !== "symlink") {
        return { path: [...way.map((step) => step.name), ...(whole ? [] : [name])].join("/"), node };
      }
      if (links === MOST_LINKS) return undefined;
      wanted = node.target.startsWith("/") ? node.target : [...names.slice(0, -1), node.target].join("/");
    }
  }

  #folder(names: readonly string[], make?: Common): FolderNode | undefined {
    const way = this.#walk(names, make);
    return way && (way.at(-1)?.node ?? this.root);
  }

  /** The folders from below the root to a folder. With `make`, missing ones are made as it says, 0755. */
  #walk(names: readonly string[], make?: Common): readonly Step[] | undefined {
    const way: Step[] = [];
    const left = [...names].reverse();
    for (let links = 0; left.length > 0; ) {
      const here = way.at(-1)?.node ?? this.root;
      const name = left.pop() ?? "";
      if (name === "" || name === ".") continue;
      if (name === "..") {
        way.pop();
        continue;
      }
      let next = here.children.get(name);
      if (next === undefined && make !== undefined) {
        if (way.length >= DEEPEST) throw invalid(names.join("/"), "lies too deep");
        next = { ...make, stated: { ...make.stated, mode: 0o755 }, type: "dir", children: new Map() };
        here.children.set(name, next);
      }
      if (next === undefined || next.type === "file") return undefined;
      if (next.type === "dir") way.push({ name, node: next });
      else {
        if (++links > MOST_LINKS) return undefined;
        if (next.target.startsWith("/")) way.length = 0;
        left.push(...next.target.split("/").reverse());
      }
    }
    return way;
  }

  #hide(names: readonly string[], name: string, layer: number): void {
    const folder = this.#folder(names);
    if (folder === undefined) return;
    if (name === OPAQUE) for (const child of [...folder.children.keys()]) prune(folder, child, layer);
    // Other names with this prefix are AUFS' own records.
    else if (!name.startsWith(".wh..wh.")) prune(folder, name.slice(WHITEOUT.length), layer);
  }

  /** All nodes with their paths: in tree order, or as they lie in the layers (a folder before what is in it). */
  nodes(order: "tree" | "layer"): readonly (readonly [path: string, node: Node])[] {
    const found: [string, Node][] = [];
    collectNodes(this.root, "", found);
    if (order === "layer") found.sort(([p, a], [q, b]) => a.at - b.at || compareUtf8(p, q));
    return found;
  }
}

function collectNodes(folder: FolderNode, under: string, found: [string, Node][]): void {
  const children = [...folder.children].map(
    ([name, node]) => [name, orderKey(name, node.type), node] as const,
  );
  for (const [name, , node] of children.sort(([, a], [, b]) => compareUtf8(a, b))) {
    found.push([under + name, node]);
    if (node.type === "dir") collectNodes(node, `${under}${name}/`, found);
  }
}

/** Removes what layers below `layer` stated at `name`, and leaves what this layer put there itself. */
function prune(folder: FolderNode, name: string, layer: number): void {
  const node = folder.children.get(name);
  if (node === undefined) return;
  if (node.type === "dir") for (const child of [...node.children.keys()]) prune(node, child, layer);
  if (node.layer < layer && (node.type !== "dir" || node.children.size === 0)) folder.children.delete(name);
}

function invalid(path: string, why: string): TreeError {
  return new TreeError("layer-invalid", `the layer's entry ${printable(path)} ${printable(why)}`);
}
