import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGo } from "./go.ts";
import { type Peer, programOf } from "./program.ts";
import { type RunningRegistry, startServer } from "./server.ts";

const module = "github.com/google/go-containerregistry";
const version = "v0.22.1";

/** go-containerregistry's client, and the registry that it brings for tests. */
export const crane: Peer = {
  name: "crane",
  version,
  fetch: (into) => buildGo(module, version, `${module}/cmd/crane`, into),
  program: "bin/crane",
};

/** Starts go-containerregistry's registry, with blobs in a folder that is removed on dispose. */
export async function startCraneRegistry(): Promise<RunningRegistry> {
  const program = await programOf(crane);
  const folder = await mkdtemp(join(tmpdir(), "imgvol-crane-registry-"));
  return startServer(program, ["registry", "serve", "--address", "127.0.0.1:0", "--disk", folder], {
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  });
}
