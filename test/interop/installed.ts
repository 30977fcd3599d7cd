import { chmod, cp, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { nodeRelease } from "../peers/node.ts";
import { programOf, run } from "../peers/program.ts";

const checkout: string = join(import.meta.dirname, "../..");
const LEFT_OUT: ReadonlySet<string> = new Set(["node_modules", "dist", "target", "coverage"]);

/** imgvol as a user has it: packed by npm, and installed from that tarball. */
export interface Installed extends AsyncDisposable {
  /** The folder that npm installed into; every user can read it. */
  readonly prefix: string;
  readonly program: string;
}

/** Builds, packs and installs in temporary folders: others who build this checkout are not disturbed. */
export async function installed(): Promise<Installed> {
  const home = await mkdtemp(join(tmpdir(), "imgvol-tarball-"));
  const prefix = await mkdtemp(join(tmpdir(), "imgvol-prefix-"));
  const dispose = (): Promise<void> => rm(prefix, { recursive: true, force: true });
  try {
    const copy = join(home, "checkout");
    const wanted = (path: string): boolean => {
      const name = basename(path);
      return path === checkout || (!LEFT_OUT.has(name) && (!name.startsWith(".") || name === ".npmrc"));
    };
    await cp(checkout, copy, { recursive: true, filter: wanted });
    await symlink(join(checkout, "node_modules"), join(copy, "node_modules"));
    await run("npm", ["pack", "--silent", "--pack-destination", home], { cwd: copy });
    const tarball = (await readdir(home)).find((name) => name.endsWith(".tgz")) ?? "";
    await chmod(prefix, 0o755);
    await run("npm", ["install", "--silent", "--prefix", prefix, join(home, tarball)], { cwd: home });
    return {
      prefix,
      program: join(prefix, "node_modules/imgvol/bin/imgvol.cjs"),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** The oldest Node.js that we promise to run on, and the one that this repository's scripts run on. */
export async function nodes(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["22.18", await programOf(nodeRelease("22.18.0"))],
    [process.versions.node, process.execPath],
  ]);
}
