import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import { type PackOptions, pack } from "../../src/pack/index.ts";
import { openLayout } from "../../src/store/index.ts";

/** An image in a layout folder of its own, with the tag v1. */
export interface Image {
  readonly name: string;
  readonly layout: string;
  readonly digest: string;
  /** Every blob by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

const PACKED: Readonly<Record<string, PackOptions>> = {
  gzip: { format: { compression: "gzip" } },
  zstd: { format: { compression: "zstd" } },
  tar: { format: { compression: "none" } },
  "one platform": { platforms: "none" },
  "many layers": { split: 8192 },
};

const call = quietCall();

/** A small folder: a script, text, bytes that do not compress well, a name that is not ASCII. */
export async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, "lib"), { recursive: true });
  await writeFile(join(folder, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(folder, "lib/日本.txt"), "far away\n".repeat(50));
  for (const name of ["a", "b", "c"]) {
    const bytes = Buffer.concat(Array.from({ length: 125 }, (_, i) => sha512(`${name}${i}`)));
    await writeFile(join(folder, "lib", name), bytes);
  }
}

const sha512 = (text: string | Uint8Array): Buffer => createHash("sha512").update(text).digest();

/** The folder packed in every way; the first is the one that people get without an option. */
export async function packImages(tree: string, root: string): Promise<Image[]> {
  const images: Image[] = [];
  for (const [name, options] of Object.entries(PACKED)) {
    const folder = join(root, name.replaceAll(" ", "-"));
    await using layout = await openLayout(folder, { create: true }, call);
    const { digest } = await pack([{ path: tree }], layout, { ...options, tag: "v1" }, call);
    images.push({ name, layout: folder, digest, blobs: await blobsOf(folder) });
  }
  return images;
}

/** Every blob of a layout by digest. */
export async function blobsOf(layout: string): Promise<Map<string, Buffer>> {
  const blobs = new Map<string, Buffer>();
  for (const algorithm of await readdir(join(layout, "blobs"))) {
    const folder = join(layout, "blobs", algorithm);
    for (const name of await readdir(folder)) {
      blobs.set(`${algorithm}:${name}`, await readFile(join(folder, name)));
    }
  }
  return blobs;
}

interface Entry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** The layout's image with its config and layers named by sha512 instead. */
export async function bySha512(image: Image, root: string): Promise<Image> {
  const manifest = JSON.parse((image.blobs.get(image.digest) ?? Buffer.of()).toString());
  const folder = join(root, "sha512");
  await newLayout(folder);
  const renamed = async (entry: Entry): Promise<Entry> => {
    const bytes = image.blobs.get(entry.digest) ?? Buffer.of();
    return await putBlob(folder, "sha512", entry.mediaType, bytes);
  };
  const layers = await Promise.all((manifest.layers as Entry[]).map(renamed));
  const document = { ...manifest, config: await renamed(manifest.config), layers };
  const bytes = Buffer.from(JSON.stringify(document));
  const entry = await putBlob(folder, "sha256", manifest.mediaType, bytes);
  await writeIndex(folder, entry);
  return { name: "sha512", layout: folder, digest: entry.digest, blobs: await blobsOf(folder) };
}

/** A layout whose image is a small artifact that refers to `subject`, which is in it too. */
export async function referrerOf(subject: Image, root: string): Promise<Image> {
  const folder = join(root, "referrer");
  await cp(subject.layout, folder, { recursive: true });
  const described = JSON.parse(await readFile(join(folder, "index.json"), "utf8")).manifests[0];
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    artifactType: "application/vnd.example.sbom",
    config: await putBlob(folder, "sha256", "application/vnd.oci.empty.v1+json", Buffer.from("{}")),
    layers: [
      await putBlob(folder, "sha256", "application/vnd.example.sbom", Buffer.from('{"made":"of files"}')),
    ],
    subject: { mediaType: described.mediaType, digest: described.digest, size: described.size },
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const entry = await putBlob(folder, "sha256", manifest.mediaType, bytes);
  await writeIndex(folder, entry);
  return { name: "referrer", layout: folder, digest: entry.digest, blobs: await blobsOf(folder) };
}

async function newLayout(folder: string): Promise<void> {
  await mkdir(join(folder, "blobs/sha256"), { recursive: true });
  await mkdir(join(folder, "blobs/sha512"));
  await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

async function putBlob(folder: string, algorithm: string, mediaType: string, bytes: Buffer): Promise<Entry> {
  const hex = createHash(algorithm).update(bytes).digest("hex");
  await writeFile(join(folder, "blobs", algorithm, hex), bytes);
  return { mediaType, digest: `${algorithm}:${hex}`, size: bytes.length };
}

async function writeIndex(folder: string, entry: Entry): Promise<void> {
  const manifests = [{ ...entry, annotations: { "org.opencontainers.image.ref.name": "v1" } }];
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
  await writeFile(join(folder, "index.json"), JSON.stringify(index));
}
