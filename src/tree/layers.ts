import { createHash, type Hash, hash } from "node:crypto";
import type { Call } from "../base/index.ts";
import { type Descriptor, type Finding, type Store, StoreError } from "../oci/index.ts";
import type { Entry } from "../tar/index.ts";
import { LayerCursor, layerEvents } from "./layer-reading.ts";
import { type Content, type FileNode, Merged, type Node } from "./merged.ts";
import type { Tree } from "./tree.ts";

/** What a runtime would show of an image: its layers, read once and laid over each other. */
export interface MergedLayers {
  /** In tree order. Bodies are streamed from the layers; reading them in layer order reads each layer once. */
  readonly tree: Tree;
  /** As the entries lie in the layers: a folder before what is in it, a file before its hard links. */
  readonly layerOrder: Tree;
  /** What a runtime would mount but imgvol does not carry: devices, extended attributes. */
  readonly told: readonly Finding[];
  /**
   * The entry at a path of the volume, the root's where empty. Links on the way are followed within the volume, one at
   * the end where asked; the entry has the path that leads to it without links.
   */
  find(path: string, follow?: boolean): Entry | undefined;
  /** The SHA-256 of a file's content, by the path of a file or hard link; undefined for anything else. */
  contentHash(path: string): string | undefined;
}

/**
 * Reads all layers once, and keeps the names, not the contents, in memory. A body that is read whole is checked
 * against what this reading saw.
 *
 * @param mostEntries over all layers together; default a million
 * @throws TreeError `layer-invalid`, `too-many-entries`; StoreError, CodecError, TarError
 */
export async function mergeLayers(
  store: Store,
  layers: readonly Descriptor[],
  call: Call,
  mostEntries?: number,
): Promise<MergedLayers> {
  const merged = new Merged(mostEntries);
  for (const [number, layer] of layers.entries()) await addLayer(merged, store, layer, number, call);
  const entries = (order: "tree" | "layer"): Tree =>
    async function* () {
      const cursors = new Cursors(store, layers);
      const firsts = new Map<Content, string>();
      try {
        for (const [path, node] of merged.nodes(order)) yield toEntry(path, node, cursors, firsts);
      } finally {
        await cursors[Symbol.asyncDispose]();
      }
    };
  return {
    tree: entries("tree"),
    layerOrder: entries("layer"),
    told: merged.told,
    find(path, follow) {
      const found = merged.find(path, follow);
      return found && toEntry(found.path, found.node, new Cursors(store, layers, false), new Map());
    },
    contentHash(path) {
      const node = merged.find(path)?.node;
      return node?.type === "file" ? node.content.hash : undefined;
    },
  };
}

/** The merged tree of an image's layers. Each iteration reads the layers anew. */
export function layersTree(store: Store, layers: readonly Descriptor[]): Tree {
  return async function* (call) {
    const merged = await mergeLayers(store, layers, call);
    yield* merged.tree(call);
  };
}

async function addLayer(
  merged: Merged,
  store: Store,
  layer: Descriptor,
  number: number,
  call: Call,
): Promise<void> {
  let content: Content | undefined;
  let running: Hash | undefined;
  for await (const event of layerEvents(store, layer, call)) {
    if (event.kind === "entry") {
      content = merged.apply(event.header, number, event.ordinal);
      running = undefined;
    } else if (content === undefined) continue;
    else if (event.kind === "end") content.hash ??= running?.digest("hex") ?? hash("sha256", "");
    // Most files come in one piece, and an object for each would cost more than its hash.
    else if (event.chunk.length === content.size) content.hash = hash("sha256", event.chunk);
    else {
      running ??= createHash("sha256");
      running.update(event.chunk);
    }
  }
}

function toEntry(path: string, node: Node, cursors: Cursors, firsts: Map<Content, string>): Entry {
  const common = { path, ...node.stated };
  if (node.type === "dir") return { ...common, type: "dir" };
  if (node.type === "symlink") return { ...common, type: "symlink", target: node.target };
  const first = firsts.get(node.content);
  if (first !== undefined) return { ...common, type: "hardlink", target: first };
  firsts.set(node.content, path);
  const { size } = node.content;
  return {
    ...common,
    type: "file",
    size,
    body: { size, open: (offset, call) => readContent(path, node, offset, cursors, call) },
  };
}

async function* readContent(
  path: string,
  { content }: FileNode,
  offset: number,
  cursors: Cursors,
  call: Call,
): AsyncGenerator<Uint8Array> {
  if (offset >= content.size) return;
  const seen = offset === 0 ? createHash("sha256") : undefined;
  for await (const chunk of cursors.read(content, offset, call)) {
    seen?.update(chunk);
    yield chunk;
  }
  if (seen && content.hash !== undefined && seen.digest("hex") !== content.hash) {
    throw new StoreError("digest-mismatch", `${path} has other bytes than a moment ago in ${cursors.origin}`);
  }
}

/** One cursor a layer, and passing ones where several bodies are read at once, or where none is to be kept. */
class Cursors implements AsyncDisposable {
  readonly #store: Store;
  readonly #layers: readonly Descriptor[];
  readonly #keep: boolean;
  readonly #cursors = new Map<number, LayerCursor>();

  constructor(store: Store, layers: readonly Descriptor[], keep = true) {
    this.#keep = keep;
    this.#store = store;
    this.#layers = layers;
  }

  get origin(): string {
    return this.#store.origin;
  }

  async *read({ layer, ordinal }: Content, offset: number, call: Call): AsyncGenerator<Uint8Array> {
    const descriptor = this.#layers[layer];
    if (descriptor === undefined) return;
    let cursor = this.#cursors.get(layer);
    if (cursor === undefined || cursor.busy) {
      cursor = new LayerCursor(this.#store, descriptor);
      if (this.#keep && !this.#cursors.has(layer)) this.#cursors.set(layer, cursor);
    }
    try {
      yield* cursor.read(ordinal, offset, call);
    } finally {
      if (this.#cursors.get(layer) !== cursor) await cursor[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#cursors.values()].map((cursor) => cursor[Symbol.asyncDispose]()));
    this.#cursors.clear();
  }
}
