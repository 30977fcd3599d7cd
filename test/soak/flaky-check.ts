// Looks at where an image arrived, without the product: files, hashes, and the JSON in them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Told } from "./flaky-exchange.ts";
import type { FlakyRegistry } from "./flaky-registries.ts";

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}

/** Everything that hangs below a manifest or index is there, with the bytes of its name. Gives how many there are. */
async function checkBelow(digest: string, fileOf: (digest: string) => Promise<string>): Promise<number> {
  const path = await fileOf(digest);
  assert.equal(await sha256(path), digest, path);
  const json = JSON.parse(await readFile(path, "utf8"));
  let count = 1;
  for (const child of json.manifests ?? []) count += await checkBelow(child.digest, fileOf);
  for (const child of json.config === undefined ? [] : [json.config, ...json.layers]) {
    const file = await fileOf(child.digest);
    assert.equal(await sha256(file), child.digest, file);
    count++;
  }
  return count;
}

/** A layout: no file below `blobs` has other bytes than its name says, and, where it is to be there, all of the image is. */
export async function checkLayout(folder: string, digest: string | undefined): Promise<void> {
  const blobs = join(folder, "blobs/sha256");
  for (const name of await readdir(blobs).catch(() => [])) {
    assert.equal(await sha256(join(blobs, name)), `sha256:${name}`, "a visible file of a layout");
  }
  if (digest === undefined) return;
  const index = JSON.parse(await readFile(join(folder, "index.json"), "utf8"));
  const listed = index.manifests.map((d: { digest: string }) => d.digest);
  assert.ok(listed.includes(digest), "the index lists the image");
  await checkBelow(digest, async (d) => join(blobs, d.replace("sha256:", "")));
}

/** What a registry's tag names, asked without a proxy; undefined where there is no such tag. */
async function tagged(registry: FlakyRegistry, repository: string): Promise<string | undefined> {
  const url = `http://127.0.0.1:${registry.port}/v2/${repository}/manifests/v`;
  const accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
  const response = await fetch(url, { headers: { accept } });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (response.status === 404) return undefined;
  assert.equal(response.status, 200, url);
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** A registry's repository: where its tag is there, the image is whole in the registry's files, or by its own word. */
export async function checkRepository(
  registry: FlakyRegistry,
  repository: string,
  digest: string | undefined,
): Promise<void> {
  const found = await tagged(registry, repository);
  if (digest !== undefined) assert.equal(found, digest, `${registry.name}: ${repository}`);
  if (found === undefined) return;
  const { fileOf } = registry;
  if (fileOf !== undefined) await checkBelow(found, async (d) => fileOf(repository, d));
}

/** Of the uploads that the client heard of, those that the registry still keeps though it could know better. */
export async function stillOpen(registry: FlakyRegistry, { heard, deleted }: Told): Promise<string[]> {
  const ids = (await registry.unfinished?.()) ?? [];
  return ids.filter((id) => heard.has(id) && !(registry.keepsDeleted && deleted.has(id)));
}
