import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dockerCredentials } from "../../src/auth/index.ts";
import { findProgram, quietCall } from "../../src/base/index.ts";
import { openStore } from "../../src/copy/index.ts";
import { addProgram, makeRoot } from "../../src/demo/app-root.ts";
import { parseReference } from "../../src/oci/index.ts";
import { type Packed, type PackOptions, pack } from "../../src/pack/index.ts";

const call = quietCall();
const TOOLS = [
  "sh",
  "cat",
  "ls",
  "find",
  "id",
  "sha256sum",
  "sleep",
  "stat",
  "readlink",
  "getent",
  "touch",
  "base64",
];

/** Packs a root with a shell and a few tools of this machine: the app of pods that look at their volumes. */
export async function publishTools(reference: string, folder: string): Promise<void> {
  const root = join(folder, "tools");
  await makeRoot(root);
  for (const tool of TOOLS) await addProgram(root, await programPath(tool), `/bin/${tool}`, call);
  await publish(reference, root, { keepModes: true, config: { Env: ["PATH=/bin"] } });
}

async function programPath(name: string): Promise<string> {
  const path = await findProgram(name);
  if (path === undefined) throw new Error(`${name} is not on the PATH`);
  return path;
}

/** A folder of all that a volume may hold. */
export async function writeVolume(folder: string, greeting: string): Promise<string> {
  const root = await mkdtemp(join(folder, "volume-"));
  await mkdir(join(root, "sub", "deep"), { recursive: true });
  await writeFile(join(root, "greeting"), `${greeting}\n`);
  await writeFile(join(root, "sub", "inner"), "inner\n");
  await writeFile(join(root, "sub", "deep", "ünïcode name"), "named\n");
  await writeFile(join(root, "run.sh"), "#!/bin/sh\necho ran\n");
  await chmod(join(root, "run.sh"), 0o755);
  await symlink("greeting", join(root, "link"));
  return root;
}

/** A file of so many bytes, with something in it every MiB. @returns its sha256 */
export async function writeLarge(folder: string, bytes: number): Promise<{ root: string; sha256: string }> {
  const root = join(folder, "large");
  await mkdir(root);
  const path = join(root, "data");
  const hash = createHash("sha256");
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes; at += 1 << 20) {
    const chunk = Buffer.alloc(Math.min(1 << 20, bytes - at));
    chunk.writeUInt32BE(at >>> 20, 0);
    hash.update(chunk);
    chunks.push(chunk);
  }
  await writeFile(path, chunks);
  await truncate(path, bytes);
  return { root, sha256: hash.digest("hex") };
}

export async function publish(reference: string, path: string, options: PackOptions = {}): Promise<Packed> {
  const parsed = parseReference(reference);
  const remote = { credentials: dockerCredentials() };
  await using store = await openStore(parsed, { create: true, remote }, call);
  return await pack([{ path }], store, { ...options, tag: parsed.tag }, call);
}
