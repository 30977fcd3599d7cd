// What must hold of everything that can be seen, whenever a process dies. Shares no code with the product.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../../src/base/index.ts";

/** Every visible blob is what its name says, and whatever the index names is there. Gives the number of blobs. */
export async function checkLayout(dir: string): Promise<number> {
  let blobs = 0;
  for (const hex of await readdir(join(dir, "blobs", "sha256")).catch(() => [])) {
    blobs++;
    assert.equal(await sha256(join(dir, "blobs", "sha256", hex)), hex, "a visible blob is whole");
  }
  const index = await readFile(join(dir, "index.json"), "utf8").catch(() => undefined);
  if (index !== undefined) await checkContent(dir, JSON.parse(index));
  return blobs;
}

/** A visible archive unpacks to a whole layout that has these tags. Gives the number of blobs. */
export async function checkArchive(path: string, tags: readonly string[]): Promise<number> {
  if ((await stat(path).catch(() => undefined)) === undefined) {
    assert.deepEqual(tags, [], "the old archive is there");
    return 0;
  }
  await using folder = await temporaryFolder(tmpdir(), "imgvol-unpacked-");
  await promisify(execFile)("tar", ["-xf", path, "-C", folder.path]);
  const index = await readFile(join(folder.path, "index.json"), "utf8");
  for (const tag of tags) assert.ok(index.includes(`"org.opencontainers.image.ref.name":"${tag}"`), tag);
  return await checkLayout(folder.path);
}

interface Content {
  readonly manifests?: readonly { digest: string }[];
  readonly config?: { digest: string };
  readonly layers?: readonly { digest: string }[];
}

async function checkContent(dir: string, content: Content): Promise<void> {
  const at = (digest: string): string => join(dir, "blobs", ...digest.split(":"));
  for (const { digest } of [...(content.layers ?? []), ...(content.config ? [content.config] : [])]) {
    assert.ok((await stat(at(digest))).isFile(), `${digest} is there`);
  }
  for (const { digest } of content.manifests ?? []) {
    await checkContent(dir, JSON.parse(await readFile(at(digest), "utf8")));
  }
}

/**
 * A registry's repository: a layout, and a record of each manifest. A client that finds a manifest there does not push it
 * again, so that a record would be missing for ever.
 */
export async function checkRepository(dir: string): Promise<number> {
  const layout = join(dir, "_layout");
  const found = await checkLayout(layout);
  for (const hex of await readdir(join(layout, "blobs", "sha256")).catch(() => [])) {
    const path = join(layout, "blobs", "sha256", hex);
    if ((await stat(path)).size > 65_536 || !(await readFile(path, "utf8")).startsWith('{"schemaVersion"'))
      continue;
    const record = await readFile(join(dir, "_manifests", "sha256", hex), "utf8").catch(() => "{}");
    assert.equal(JSON.parse(record).digest, `sha256:${hex}`, "a visible manifest has its record");
  }
  return found;
}

/** Whatever is among the volumes is the whole tree. */
export async function checkCache(cache: string, tree: readonly string[]): Promise<number> {
  const volumes = join(cache, "volumes");
  const names = await readdir(volumes).catch(() => []);
  for (const name of names) {
    assert.deepEqual(await listing(join(volumes, name, "root"), contents), tree, "a visible volume is whole");
    JSON.parse(await readFile(join(volumes, name, "volume.json"), "utf8"));
  }
  return names.length;
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** Names alone, for what has contents that differ from run to run. */
export async function named(): Promise<string> {
  return "";
}

export async function contents(path: string): Promise<string> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return `-> ${await readlink(path)}`;
  const mode = (found.mode & 0o777).toString(8);
  return found.isFile() ? `${mode} ${await sha256(path)}` : mode;
}

/** What is below a folder: a line for each path, and what `tell` says of it. */
export async function listing(root: string, tell: (path: string) => Promise<string>): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    lines.push(`${path.slice(root.length + 1)} ${await tell(path)}`);
  }
  return lines.sort();
}
