import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import { openLayout } from "../../src/store/index.ts";
import type { Fixture } from "../contract/store.ts";

export interface LayoutFixture extends Fixture {
  readonly dir: string;
  residue(): Promise<readonly string[]>;
}

/** A new layout in a temporary folder. */
export async function newLayout(): Promise<LayoutFixture> {
  const top = await mkdtemp(join(tmpdir(), "imgvol-layout-"));
  const dir = join(top, "layout");
  return {
    dir,
    store: await openLayout(dir, { create: true }, quietCall()),
    residue: () => filesBelow(dir),
    [Symbol.asyncDispose]: () => rm(top, { recursive: true, force: true }),
  };
}

/** Every name below a folder, sorted. */
export async function filesBelow(dir: string): Promise<readonly string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found.map((e) => relative(dir, join(e.parentPath, e.name))).sort();
}
