import { join, resolve } from "node:path";
import {
  type Call,
  findProgram,
  formatBytes,
  formatCount,
  isProgram,
  lock,
  makeFolder,
} from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import { buildPrograms } from "./build.ts";
import { ownNft, systemNft } from "./nft.ts";
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
  const placeOf = ({ name, version }: Build): string => join(folder, `${name}-${version}`);
  const programsIn = (build: Build): string => join(placeOf(build), build.folder ?? "");
  const lacking: Build[] = [];
  for (const build of builds) if (!(await isWhole(build, programsIn(build)))) lacking.push(build);
  // Without Go it is an error that is next, and nothing takes long.
  if (lacking.length > 0 && (await findProgram("go")) !== undefined)
    call.progress?.say(forewarning(lacking, folder));
  for (const build of lacking) {
    await makeFolder(folder, 0o700);
    await using _held = await lock(`${placeOf(build)}.lock`, "exclusive", call);
    const programs = programsIn(build);
    if (!(await isWhole(build, programs))) await buildPrograms(build, programs, call);
  }
  const home = new Map<string, string>();
  for (const build of builds) {
    for (const program of programsOf(build)) home.set(program, join(programsIn(build), program));
  }
  home.set("nft", await ownNft(join(folder, "nftables"), call));
  return binaries((program) => home.get(program));
}

/** Of all builds, from nothing, on two cores: docs/clusters.md. */
const ALL = { minutes: 10, caches: 5.3e9, programs: 660e6 } as const;

/** What is going to take long, before it does. */
function forewarning(lacking: readonly Build[], folder: string): string {
  const sizeOf = (some: readonly Build[]): number => some.reduce((sum, { size }) => sum + size, 0);
  const share = sizeOf(lacking) / sizeOf(builds);
  const count = lacking.flatMap(programsOf).length;
  const minutes = Math.ceil(ALL.minutes * share);
  return [
    `${formatCount(count, "program", "programs")} of the cluster will be built with Go, once`,
    `up to ${formatCount(minutes, "minute", "minutes")} on two cores`,
    `${formatBytes(ALL.caches * share)} of disk for Go's caches, where they are empty, and ${formatBytes(ALL.programs * share)} in ${folder}`,
    "--bin FOLDER takes programs that are there",
  ].join("; ");
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
          wrongUse: true,
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
