import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBytes, quietCall } from "../../src/base/index.ts";
import { type Descriptor, type Digest, digestOf, MediaType } from "../../src/oci/index.ts";
import { openArchive } from "../../src/store/index.ts";
import { type Entry, encodeHeader, padding, TRAILER } from "../../src/tar/index.ts";
import { type Fixture, someBytes } from "../contract/store.ts";
import { filesBelow } from "./layout-folder.ts";

export interface ArchiveFixture extends Fixture {
  /** The folder that the archive lies in. */
  readonly dir: string;
  readonly path: string;
  residue(): Promise<readonly string[]>;
}

/** An archive that is not there yet, in a temporary folder. */
export async function newArchive(): Promise<ArchiveFixture> {
  const dir = await mkdtemp(join(tmpdir(), "imgvol-archive-"));
  const path = join(dir, "image.tar");
  const store = await openArchive(path, { create: true }, quietCall());
  return {
    dir,
    path,
    store,
    residue: () => filesBelow(dir),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What a hostile or odd archive is made of; `raw` goes in as it is. */
export type Piece =
  | { readonly raw: Uint8Array }
  | {
      readonly path: string;
      readonly bytes?: Uint8Array;
      readonly link?: "symlink" | "hardlink";
      readonly target?: string;
      readonly dir?: true;
      /** Another type flag than the entry's own. */
      readonly flag?: string;
      /** Another size than the bytes have. */
      readonly size?: number;
    };

const COMMON = { uid: 0, gid: 0, mtime: 0, mode: 0o644 } as const;

/** A tar archive of these, in this order, with its end mark. */
export function tarOf(pieces: readonly Piece[]): Buffer {
  return Buffer.concat([...pieces.flatMap(piece), TRAILER]);
}

function piece(one: Piece): readonly Uint8Array[] {
  if ("raw" in one) return [one.raw];
  const { path, bytes = new Uint8Array(), link, target = "x", dir, flag, size = bytes.length } = one;
  const entry: Entry = link
    ? { ...COMMON, path, type: link, target }
    : dir
      ? { ...COMMON, path, type: "dir" }
      : { ...COMMON, path, type: "file", size, body: fromBytes(bytes) };
  const header = Buffer.from(encodeHeader(entry));
  if (flag !== undefined) {
    header.write(flag, header.length - 512 + 156, "latin1");
    const block = header.subarray(header.length - 512);
    block.fill(" ", 148, 156);
    const sum = block.reduce((a, b) => a + b, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return [header, bytes, padding(bytes.length)];
}

/** The files of a layout with one image `v1`, in the order that they are given out. */
export function layoutPieces(): { pieces: Map<string, Buffer>; manifest: Digest; layer: Digest } {
  const layer = Buffer.from(someBytes(3000, 7));
  const config = Buffer.from('{"os":"linux"}');
  const of = (mediaType: string, bytes: Buffer): Descriptor => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config: of(MediaType.config, config),
      layers: [of(MediaType.layerTar, layer)],
    }),
  );
  const named = { "org.opencontainers.image.ref.name": "v1" };
  const index = {
    schemaVersion: 2,
    manifests: [{ ...of(MediaType.manifest, manifest), annotations: named }],
  };
  const pieces = new Map([
    ["oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ["index.json", Buffer.from(JSON.stringify(index))],
    ...[layer, config, manifest].map((b): [string, Buffer] => [`blobs/${digestOf(b).replace(":", "/")}`, b]),
  ]);
  return { pieces, manifest: digestOf(manifest), layer: digestOf(layer) };
}
