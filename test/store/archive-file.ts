import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quietCall } from "../../src/base/index.ts";
import { openArchive } from "../../src/store/archive.ts";
import type { Fixture } from "../contract/store.ts";
import { filesBelow } from "./layout-folder.ts";

export interface ArchiveFixture extends Fixture {
  /** The folder that the archive lies in. */
  readonly dir: string;
  readonly path: string;
  residue(): Promise<readonly string[]>;
}

/** An archive that is not there yet, in a temporary folder. */
export async function newArchive(): Promise<ArchiveFixture> {
  const dir = await mkdtemp(join(tmpdir(), "imgvol-archive-"));
  const path = join(dir, "image.tar");
  const store = await openArchive(path, { create: true }, quietCall());
  return {
    dir,
    path,
    store,
    residue: () => filesBelow(dir),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
