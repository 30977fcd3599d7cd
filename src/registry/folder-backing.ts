import { link, readFile, rename, rm, rmdir, stat, statfs, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errno, exists, makeFolder, messageOf, quietCall, syncFolder, tryLock } from "../base/index.ts";
import type { Digest } from "../oci/index.ts";
import { openLayout } from "../store/index.ts";
import type { Backing, Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";
import { FolderContents, hasBlobs, isBare } from "./folder-contents.ts";
import { namesBelow } from "./folder-names.ts";
import { folderRecords, sweepRecords } from "./folder-records.ts";
import { SpoolFolder } from "./folder-spool.ts";
import { Gate } from "./gate.ts";
import { Recent } from "./recent.ts";

/** What has it is a repository. */
const MARKER = join("_layout", "oci-layout");
/** May stay for a while without it. */
const SIGNS = "_manifests";

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
  const spools = new SpoolFolder(uploads, await bootId(), (path, to, digest) =>
    place(path, blobAt(root, to, digest)),
  );
  const open = new Map<string, Promise<Repository>>();
  /** Shared by those who make repositories, exclusive for those who take them away. */
  const shape = new Gate(root);

  async function repositoryAt(name: string, create: boolean): Promise<Repository> {
    const home = join(root, name);
    if (!create && !(await isRepository(home))) {
      throw new RegistryError("name-unknown", `there is no repository ${name}`);
    }
    // Several clients may wait for it: one that goes away must not fail the others.
    // Its messages are for clients too: where the folder is on this machine is not for them.
    const store = await openLayout(join(home, "_layout"), { create, origin: name }, quietCall());
    // Here, not when the server starts: there may be thousands of repositories, and this one is not written to yet.
    await sweepRecords(home);
    const manifests = folderRecords(home);
    const contents = new FolderContents(home);
    return { name, store, manifests, contents, gate: new Gate(name), recent: new Recent() };
  }

  function kept(name: string, create: boolean): Promise<Repository> {
    const there = open.get(name);
    if (there !== undefined) return there;
    const opening = shape.shared(() => repositoryAt(name, create));
    open.set(name, opening);
    opening.catch(() => {
      if (open.get(name) === opening) open.delete(name);
    });
    return opening;
  }

  return {
    origin: root,
    async find(name) {
      if (!open.has(name) && !(await isRepository(join(root, name)))) return undefined;
      return await kept(name, false).catch((error: unknown) => {
        // Taken away since it was seen.
        if (error instanceof RegistryError && error.code === "name-unknown") return undefined;
        throw error;
      });
    },
    async create(name) {
      // Who only looks for it may have come first, and in vain.
      const there = await open.get(name)?.catch(() => undefined);
      return there ?? (await kept(name, true));
    },
    async discard(repository) {
      const { name, gate, store } = repository;
      const home = join(root, name);
      if (!(await isBare(home))) return false;
      return await shape.exclusive(() =>
        gate.exclusive(async () => {
          if (!(await isBare(home)) || !gate.close()) return false;
          open.delete(name);
          await store[Symbol.asyncDispose]();
          await removeRepository(root, home);
          return true;
        }),
      );
    },
    async *names(call, having) {
      // Not even opened: there may be thousands.
      if (having !== undefined) return yield* namesBelow(root, blobIn(having), call);
      const names: string[] = [];
      for await (const name of namesBelow(root, MARKER, call)) names.push(name);
      yield* names.sort();
    },
    contents: (name) => new FolderContents(join(root, name)),
    async forgetGone(call) {
      for await (const name of namesBelow(root, SIGNS, call)) {
        const home = join(root, name);
        if (await isRepository(home)) continue;
        await shape.exclusive(async () => {
          if (open.has(name) || (await isRepository(home))) return;
          // A layout that lost the file which says that it is one is not ours to take away with all that is in it.
          if (await hasBlobs(home)) return;
          const contents = new FolderContents(home);
          for await (const left of contents.leftovers(call)) await contents.removeLeftover(left);
          await removeRepository(root, home);
        });
      }
    },
    link: (to, from, digest) => hardLink(blobAt(root, from, digest), blobAt(root, to, digest)),
    spool: (upload) => spools.make(upload),
    unfinished: () => spools.unfinished(),
    async room() {
      const { bavail, bsize } = await statfs(root);
      return bavail * bsize;
    },
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
    if (held !== undefined) await makeFolder(uploads, 0o700);
  } catch (cause) {
    await held?.[Symbol.asyncDispose]();
    throw new RegistryError("folder-unusable", `cannot keep a registry in ${root}: ${messageOf(cause)}`, {
      hint: "name a folder that you may write",
      cause,
    });
  }
  if (held !== undefined) return held;
  throw new RegistryError("registry-locked", `another registry serves the folder ${root}`, {
    hint: "end it first, or wait for the gc that runs there, or give this one a folder of its own",
  });
}

/** Which start of the machine this is; undefined where the system does not tell. */
async function bootId(): Promise<string | undefined> {
  return await readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
}

async function isRepository(home: string): Promise<boolean> {
  return await exists(join(home, MARKER));
}

/**
 * The marker first: what is left of it by a crash is no repository, and the next to be made there takes it over. So are the
 * signs of what was collected (docs/adr/0181).
 */
async function removeRepository(root: string, home: string): Promise<void> {
  await rm(join(home, MARKER), { force: true });
  const signs = await new FolderContents(home).recorded();
  for (const name of ["_layout", "_referrers", ...(signs.length > 0 ? [] : [SIGNS])]) {
    await rm(join(home, name), { recursive: true, force: true });
  }
  for (let folder = home; folder !== root; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (errno(error) === "ENOTEMPTY" || errno(error) === "EEXIST") return;
      // Its store may have taken away the layout that it made, and what was above.
      if (errno(error) !== "ENOENT") throw error;
    }
  }
}

function blobAt(root: string, { name }: Repository, digest: Digest): string {
  return join(root, name, blobIn(digest));
}

function blobIn(digest: Digest): string {
  return join("_layout", "blobs", ...digest.split(":"));
}

/**
 * Moves a checked and synced file to where blobs are; false over two file systems. What is there goes: it may have been damaged
 * on the disk since it was checked, and who sends it all the same heals it (docs/adr/0155).
 */
async function place(path: string, blob: string): Promise<boolean> {
  await makeFolder(dirname(blob));
  try {
    await rename(path, blob);
  } catch (error) {
    if (errno(error) !== "EXDEV") throw error;
    return false;
  }
  await syncFolder(dirname(blob));
  return true;
}

/** One file under two names: each repository may delete its own. */
async function hardLink(from: string, to: string): Promise<boolean> {
  await makeFolder(dirname(to));
  try {
    await link(from, to);
  } catch (error) {
    // Over two file systems, on one without hard links, or the source is gone.
    if (errno(error) !== "EEXIST" || (await sizeOf(to)) !== (await sizeOf(from))) return false;
  }
  const now = new Date();
  // The time says since when it may be relied on, under each of its names.
  await utimes(to, now, now);
  await syncFolder(dirname(to));
  return true;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
