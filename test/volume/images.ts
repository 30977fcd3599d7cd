import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Call, fromBytes, quietCall } from "../../src/base/index.ts";
import { type Descriptor, digestOf, hostPlatform, MediaType, type Store } from "../../src/oci/index.ts";
import { memoryStore } from "../../src/store/index.ts";

/** An entry as bytes say it: nothing is checked, so that hostile archives can be made. */
export interface Raw {
  readonly path: string;
  readonly type?: "0" | "1" | "2" | "3" | "4" | "5" | "6";
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly body?: string | Uint8Array;
  readonly target?: string;
  /** What the header says, where that is not the body's. */
  readonly size?: number;
}

export function tarOf(entries: readonly Raw[]): Buffer {
  const blocks: Buffer[] = [];
  for (const e of entries) {
    const body = Buffer.from(e.body ?? "");
    const header = Buffer.alloc(512);
    const octal = (n: number, at: number, width: number): void => {
      header.write(n.toString(8).padStart(width - 1, "0"), at, "latin1");
    };
    header.write(e.path, 0, 100);
    octal(e.mode ?? (e.type === "5" ? 0o755 : 0o644), 100, 8);
    octal(e.uid ?? 0, 108, 8);
    octal(e.gid ?? 0, 116, 8);
    octal(e.size ?? body.length, 124, 12);
    octal(e.mtime ?? 0, 136, 12);
    header.write(e.type ?? "0", 156);
    header.write(e.target ?? "", 157, 100);
    header.write("ustar\x0000", 257, "latin1");
    header.fill(0x20, 148, 156);
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    blocks.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export interface ImageOptions {
  readonly compress?: (tar: Buffer) => Uint8Array;
  readonly mediaType?: string;
  readonly diffIds?: readonly string[];
}

/** Puts an image of these layers (tar bytes) into a store, as a manifest with a tag. */
export async function putImage(
  store: Store,
  tag: string,
  layers: readonly Buffer[],
  options: ImageOptions = {},
  call: Call = quietCall(),
): Promise<Descriptor> {
  const compress = options.compress ?? gzipSync;
  const descriptors: Descriptor[] = [];
  for (const layer of layers) {
    descriptors.push(
      await store.ingest(options.mediaType ?? MediaType.layerGzip, fromBytes(compress(layer)), call),
    );
  }
  const config = {
    ...hostPlatform(),
    config: {},
    rootfs: { type: "layers", diff_ids: options.diffIds ?? layers.map((l) => digestOf(l)) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: await store.ingest(MediaType.config, fromBytes(Buffer.from(JSON.stringify(config))), call),
    layers: descriptors,
  };
  const d = await store.ingest(MediaType.manifest, fromBytes(Buffer.from(JSON.stringify(manifest))), call);
  await store.tag(tag, d, call);
  return d;
}

/** A store in memory with one image, `v`, of these layers. */
export async function imageOf(
  layers: readonly (readonly Raw[])[],
  options: ImageOptions = {},
): Promise<Store> {
  const store = memoryStore();
  await putImage(store, "v", layers.map(tarOf), options);
  return store;
}

/** A folder as text: a line for each path, with kind, mode and contents' hash or target. */
export async function picture(root: string, folder = ""): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(root, folder))).sort()) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const at = join(root, path);
    const found = await lstat(at);
    const mode = (found.mode & 0o7777).toString(8);
    if (found.isSymbolicLink()) lines.push(`${path} -> ${await readlink(at)}`);
    else if (found.isDirectory()) lines.push(`${path}/ ${mode}`, ...(await picture(root, path)));
    else if (found.isFile()) {
      const hash = createHash("sha256")
        .update(await readFile(at))
        .digest("hex")
        .slice(0, 8);
      lines.push(`${path} ${mode} ${found.size} ${hash} ${found.nlink}`);
    } else lines.push(`${path} ?`);
  }
  return lines;
}
