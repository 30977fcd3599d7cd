import { chmod, cp, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Call, lock, makeFolder, temporaryFolder } from "../base/index.ts";
import { buildPrograms, missing } from "./build.ts";
import { ClusterError } from "./errors.ts";
import { findProgram, isProgram } from "./program.ts";
import { debianPackages } from "./seccomp.ts";
import { type Build, builds, programsOf } from "./versions.ts";

/** Where each program of a cluster is. */
export interface Binaries {
  path(program: string): string;
  /** The folder of the CNI plugins. */
  readonly cni: string;
}

export interface BinariesOptions {
  /** A folder that has them all; nothing is built then. */
  readonly bin?: string | undefined;
  /** imgvol's cache folder: what is built is kept there. */
  readonly cache: string;
}

/**
 * The programs of a cluster: those of `bin`, else those of the cache, where what is missing is built. One build at a time;
 * what was built stays, whatever happens to the rest.
 *
 * @throws ClusterError `program-missing`, `build-failed`
 */
export async function findBinaries(options: BinariesOptions, call: Call): Promise<Binaries> {
  if (options.bin !== undefined) return await given(resolve(options.bin));
  const folder = join(options.cache, "cluster", process.arch);
  const home = new Map<string, string>();
  for (const build of builds) {
    const place = join(folder, `${build.name}-${build.version}`);
    const programs = join(place, build.folder ?? "");
    if (!(await isWhole(build, programs))) {
      await makeFolder(folder, 0o700);
      await using _held = await lock(`${place}.lock`, "exclusive", call);
      if (!(await isWhole(build, programs))) await buildPrograms(build, programs, call);
    }
    for (const program of programsOf(build)) home.set(program, join(programs, program));
  }
  home.set("nft", await nft(join(folder, "nftables"), call));
  return binaries((program) => home.get(program));
}

/** A folder of the user's: every program in it, or in its folder `cni`; nft may be the system's. */
async function given(folder: string): Promise<Binaries> {
  const home = new Map<string, string>();
  for (const build of builds) {
    for (const program of programsOf(build)) {
      const path = join(folder, build.folder ?? "", program);
      if (await isProgram(path)) home.set(program, path);
      else
        throw new ClusterError("program-missing", `${path} is not there, or not to be run`, {
          hint: "put it there, or leave --bin out: what is missing is then built with Go",
        });
    }
  }
  const own = join(folder, "nft");
  home.set("nft", (await isProgram(own)) ? own : await systemNft());
  return binaries((program) => home.get(program));
}

function binaries(find: (program: string) => string | undefined): Binaries {
  const path = (program: string): string => {
    const found = find(program);
    if (found === undefined) throw new Error(`no build gives ${program}`);
    return found;
  };
  return { path, cni: join(path("bridge"), "..") };
}

async function isWhole(build: Build, programs: string): Promise<boolean> {
  for (const program of programsOf(build)) if (!(await isProgram(join(programs, program)))) return false;
  return true;
}

async function systemNft(): Promise<string> {
  const found = await findProgram("nft");
  if (found !== undefined) return found;
  throw missing("nft", "kube-proxy makes Services with it");
}

const NFT_PACKAGES = ["nftables", "libnftables1", "libnftnl11", "libjansson4", "libmnl0", "libxtables12"];

/** The system's nft, or Debian's, unpacked into `folder`, that runs with its own libraries. */
async function nft(folder: string, call: Call): Promise<string> {
  const system = await findProgram("nft");
  if (system !== undefined) return system;
  const program = join(folder, "nft");
  if (await isProgram(program)) return program;
  const task = call.progress?.start("fetch nftables");
  try {
    await makeFolder(folder, 0o700);
    await using work = await temporaryFolder(folder, ".work-");
    const root = await debianPackages(work.path, NFT_PACKAGES, call);
    if (root === undefined) throw missing("nft", "kube-proxy makes Services with it");
    await cp(root, join(folder, "root"), { recursive: true, verbatimSymlinks: true });
    const libraries = await libraryFolders(join(folder, "root"));
    const text = `#!/bin/sh\nLD_LIBRARY_PATH=${libraries} exec ${join(folder, "root/usr/sbin/nft")} "$@"\n`;
    await writeFile(program, text);
    await chmod(program, 0o755);
    task?.done();
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
