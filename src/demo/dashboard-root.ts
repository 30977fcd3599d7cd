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
    target: `${HOME}/${OWN}/${name}`,
  }));
  const roots = [...(await packagesOf(PACKAGE))].map(([target, path]) => ({
    path,
    target: `${HOME}/${target}`,
  }));
  return [...own, ...roots];
}

/** Where it is below that, as one of its own packages. */
const OWN = "node_modules/imgvol";

/**
 * The packages that imgvol needs, by where they go below a folder that it is installed in: as they are nested here, so that each
 * finds its own versions. An installed imgvol is one of them.
 *
 * @param home imgvol's folder
 * @throws DemoError `build-failed` where one is missing
 */
export async function packagesOf(home: string): Promise<ReadonlyMap<string, string>> {
  const installed = home.endsWith(`/${OWN}`) ? join(home, "../..") : home;
  const packages = new Map<string, string>();
  await collect(home, OWN, installed, packages);
  return packages;
}

async function collect(
  from: string,
  at: string,
  installed: string,
  packages: Map<string, string>,
): Promise<void> {
  const { dependencies = {} } = JSON.parse(await readFile(join(from, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    const path = await packageFolder(name, from);
    const place = relative(installed, path);
    // pnpm keeps every package in a place of its own, and links them: each then goes below the one that needs it.
    const to = place.startsWith("../") ? `${at}/node_modules/${name}` : place;
    // Two that need each other: the one that is above is found from below.
    const isAbove = [...packages].some(([above, its]) => its === path && `${at}/`.startsWith(`${above}/`));
    if (isAbove || packages.has(to)) continue;
    packages.set(to, path);
    await collect(path, to, installed, packages);
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
