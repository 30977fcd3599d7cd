import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGo } from "./go.ts";
import { type Peer, programOf } from "./program.ts";
import { type RunningRegistry, startServer } from "./server.ts";

const module = "github.com/olareg/olareg";
const version = "v0.2.2";

/** A registry over OCI layouts, by an author of the distribution-spec: the one that passes most of its tests. */
export const olareg: Peer = {
  name: "olareg",
  version,
  fetch: (into) => buildGo(module, version, `${module}/cmd/olareg`, into),
  program: "bin/olareg",
};

export interface OlaregOptions {
  /** Keep blobs in memory, or in a folder that is removed on dispose. Default memory. */
  readonly store?: "mem" | "dir";
  /** Take images and indexes that lack parts, as the conformance tests of that name want. */
  readonly sparse?: boolean;
}

/** Starts it empty, with every API on. */
export async function startOlareg(options: OlaregOptions = {}): Promise<RunningRegistry> {
  const program = await programOf(olareg);
  const folder = await mkdtemp(join(tmpdir(), "imgvol-olareg-"));
  const args = ["serve", "--addr", "127.0.0.1", "--port", "0", "--api-blob-delete", "--api-delete"];
  if (options.sparse) args.push("--api-sparse-image", "--api-sparse-index");
  return startServer(program, [...args, "--store-type", options.store ?? "mem", "--dir", folder], {
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  });
}
