import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningRegistry, startServer } from "../peers/server.ts";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");

export interface OwnOptions {
  /** Keeps images in a folder that is removed on dispose; else in memory. */
  readonly folder?: boolean;
  /** Takes images and indexes that lack parts. */
  readonly sparse?: boolean;
}

/** `imgvol registry serve` as users start it: a process of its own. */
export async function startOwnRegistry(options: OwnOptions = {}): Promise<RunningRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-own-registry-"));
  const args = [main, "registry", "serve", "--listen", "127.0.0.1:0"];
  if (options.folder) args.push("--dir", join(folder, "registry"));
  if (options.sparse) args.push("--sparse");
  return startServer(process.execPath, args, {
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  });
}
