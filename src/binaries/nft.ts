import { chmod, cp, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Call,
  findProgram,
  isProgram,
  lock,
  makeFolder,
  removeTree,
  shellWord,
  temporaryFolder,
} from "../base/index.ts";
import { missing } from "./build.ts";
import { debianPackages } from "./debian-packages.ts";

const WHY = "kube-proxy makes Services with it";

/** @throws ClusterError `program-missing` */
export async function systemNft(): Promise<string> {
  const found = await findProgram("nft");
  if (found === undefined) throw missing("nft", WHY);
  return found;
}

const PACKAGES = ["nftables", "libnftables1", "libnftnl11", "libjansson4", "libmnl0", "libxtables12"];

/** The system's nft, or Debian's, unpacked into `folder`, that runs with its own libraries. @throws ClusterError `program-missing` */
export async function ownNft(folder: string, call: Call): Promise<string> {
  const system = await findProgram("nft");
  if (system !== undefined) return system;
  const program = join(folder, "nft");
  if (await isProgram(program)) return program;
  await using _held = await lock(`${folder}.lock`, "exclusive", call);
  if (await isProgram(program)) return program;
  const task = call.progress?.start("fetch nftables");
  try {
    await makeFolder(folder, 0o700);
    await using work = await temporaryFolder(folder, ".work-");
    const unpacked = await debianPackages(work.path, PACKAGES, call);
    if (unpacked === undefined) throw missing("nft", WHY);
    const root = join(folder, "root");
    // Of one that was stopped.
    await removeTree(root);
    await cp(unpacked, root, { recursive: true, verbatimSymlinks: true });
    const libraries = shellWord(await libraryFolders(root));
    const nft = shellWord(join(root, "usr/sbin/nft"));
    const made = join(work.path, "nft");
    await writeFile(made, `#!/bin/sh\nLD_LIBRARY_PATH=${libraries} exec ${nft} "$@"\n`);
    await chmod(made, 0o755);
    await rename(made, program);
    task?.done("unpacked");
    return program;
  } catch (error) {
    task?.failed();
    throw error;
  }
}

async function libraryFolders(root: string): Promise<string> {
  const found: string[] = [];
  for (const above of ["usr/lib", "lib"]) {
    const names = await readdir(join(root, above)).catch(() => []);
    for (const name of names) if (name.endsWith("-linux-gnu")) found.push(join(root, above, name));
  }
  return found.join(":");
}
