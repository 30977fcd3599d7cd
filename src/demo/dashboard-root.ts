import { readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { exists } from "../base/index.ts";
import type { Source } from "../pack/index.ts";
import { DemoError } from "./errors.ts";

/** The folder of the installed package, or of the repository. */
export const PACKAGE: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Where imgvol is installed in its image. */
export const HOME = "opt/imgvol";

/**
 * imgvol itself as sources of an image: its built files, and the packages that it depends on, without those of its development, as
 * npm would install them in {@link HOME}.
 *
 * @throws DemoError `build-failed` where imgvol was not built
 */
export async function imgvolSources(): Promise<readonly Source[]> {
  if (!(await exists(join(PACKAGE, "dist")))) {
    throw new DemoError("build-failed", `${PACKAGE} is not built`, { hint: "npm run build" });
  }
  const own = ["bin", "dist", "package.json"].map((name) => ({
    path: join(PACKAGE, name),
    target: `${HOME}/node_modules/imgvol/${name}`,
  }));
  const packages = new Map<string, string>();
  await collect(PACKAGE, packages);
  const roots = [...packages].map(([target, path]) => ({ path, target: `${HOME}/${target}` }));
  return [...own, ...roots];
}

/** Below which the packages are: an installed imgvol is one of them. */
const INSTALLED = PACKAGE.endsWith("/node_modules/imgvol") ? join(PACKAGE, "../..") : PACKAGE;

/** The packages below one, by where they go: as they are nested here, so that each finds its own versions. */
async function collect(from: string, packages: Map<string, string>): Promise<void> {
  const { dependencies = {} } = JSON.parse(await readFile(join(from, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    const path = await packageFolder(name, from);
    const at = relative(INSTALLED, path);
    if (packages.has(at)) continue;
    packages.set(at, path);
    await collect(path, packages);
  }
}

async function packageFolder(name: string, from: string): Promise<string> {
  for (const folder of createRequire(join(from, "package.json")).resolve.paths(name) ?? []) {
    if (await exists(join(folder, name, "package.json"))) return await realpath(join(folder, name));
  }
  throw new DemoError(
    "build-failed",
    `${relative(PACKAGE, from) || "imgvol"} needs ${name}, which is not installed`,
    {
      hint: "install imgvol again",
    },
  );
}
