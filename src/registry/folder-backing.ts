import { link, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errno, exists, makeFolder, messageOf, quietCall, syncFolder, tryLock } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import { openLayout } from "../store/index.ts";
import type { Backing, Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import { folderRecords, sweepRecords } from "./folder-records.ts";
import { folderSpool, isSpool } from "./folder-spool.ts";
import { Gate } from "./gate.ts";
import { Recent } from "./recent.ts";

/**
 * Repositories in a folder, each an OCI image layout of its own, `DIR/NAME/_layout`, that every tool can read. No part
 * of a repository's name begins with `_`, so ours never meets theirs. One server at a time.
 *
 * @throws RegistryError `registry-locked`, `folder-unusable`
 */
export async function folderBacking(dir: string): Promise<Backing> {
  const root = resolve(dir);
  const uploads = join(root, "_uploads");
  const held = await takeOver(root, uploads);
  const open = new Map<string, Promise<Repository>>();

  async function repositoryAt(name: string, create: boolean): Promise<Repository> {
    const home = join(root, name);
    // Several clients may wait for it: one that goes away must not fail the others.
    const store = await openLayout(join(home, "_layout"), { create }, quietCall());
    // Here, not when the server starts: there may be thousands of repositories, and this one is not written to yet.
    await sweepRecords(home);
    return { name, store, manifests: folderRecords(home), gate: new Gate(name), recent: new Recent() };
  }

  function kept(name: string, create: boolean): Promise<Repository> {
    const there = open.get(name);
    if (there !== undefined) return there;
    const opening = repositoryAt(name, create);
    open.set(name, opening);
    opening.catch(() => open.delete(name));
    return opening;
  }

  return {
    origin: root,
    async find(name) {
      if (!open.has(name) && !(await exists(join(root, name, "_layout", "oci-layout")))) return undefined;
      return await kept(name, false);
    },
    create: (name) => kept(name, true),
    async *names() {
      yield* (await namesBelow(root, "")).sort();
    },
    link: (to, from, digest) => hardLink(blobAt(root, from, digest), blobAt(root, to, digest)),
    spool: () => folderSpool(uploads, (path, to, digest) => hardLink(path, blobAt(root, to, digest))),
    async [Symbol.asyncDispose]() {
      for (const repository of await Promise.allSettled(open.values())) {
        if (repository.status === "fulfilled") await repository.value.store[Symbol.asyncDispose]();
      }
      await held[Symbol.asyncDispose]();
    },
  };
}

/** Makes the folder this server's own. */
async function takeOver(root: string, uploads: string): Promise<AsyncDisposable> {
  let held: AsyncDisposable | undefined;
  try {
    await makeFolder(root);
    held = await tryLock(join(root, "_lock"), "exclusive");
    if (held !== undefined) await removeUploads(uploads);
  } catch (cause) {
    await held?.[Symbol.asyncDispose]();
    throw new RegistryError("folder-unusable", `cannot keep a registry in ${root}: ${messageOf(cause)}`, {
      hint: "name a folder that you may write",
      cause,
    });
  }
  if (held !== undefined) return held;
  throw new RegistryError("registry-locked", `another registry serves the folder ${root}`, {
    hint: "end it first, or give this one a folder of its own",
  });
}

/** Uploads that a former server left behind: their sessions ended with it. */
async function removeUploads(uploads: string): Promise<void> {
  await mkdir(uploads, { recursive: true, mode: 0o700 });
  for (const name of await readdir(uploads)) {
    if (isSpool(name)) await rm(join(uploads, name), { force: true });
  }
}

function blobAt(root: string, { name }: Repository, digest: Digest): string {
  return join(root, name, "_layout", "blobs", ...digest.split(":"));
}

/** One file under two names: each repository may delete its own. */
async function hardLink(from: string, to: string): Promise<boolean> {
  await makeFolder(dirname(to));
  try {
    await link(from, to);
  } catch (error) {
    // Over two file systems, or on one without hard links.
    if (errno(error) !== "EEXIST") return false;
  }
  await syncFolder(dirname(to));
  return true;
}

async function namesBelow(folder: string, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith("_")) continue;
    const name = `${prefix}${entry.name}`;
    if (await exists(join(folder, entry.name, "_layout", "oci-layout"))) names.push(name);
    names.push(...(await namesBelow(join(folder, entry.name), `${name}/`)));
  }
  return names;
}
