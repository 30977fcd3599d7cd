import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distributionConfig } from "./docker-registry.ts";
import { buildGo } from "./go.ts";
import { type Peer, programOf } from "./program.ts";
import { type RunningRegistry, startServer } from "./server.ts";

const module = "github.com/distribution/distribution/v3";
const version = "v3.1.2";

/** CNCF distribution 3, the next generation of the registry that most of the world runs. */
export const distribution: Peer = {
  name: "distribution",
  version,
  fetch: (into) => buildGo(module, version, `${module}/cmd/registry`, into),
  program: "bin/registry",
};

/** Starts it over an empty folder that is removed on dispose. */
export async function startDistribution(options: { sparse?: boolean } = {}): Promise<RunningRegistry> {
  const program = await programOf(distribution);
  const folder = await mkdtemp(join(tmpdir(), "imgvol-distribution-"));
  const config = join(folder, "config.yml");
  // It can be told to take an index that lacks platforms, but no image that lacks layers.
  const more = options.sparse ? ["validation: { manifests: { indexes: { platforms: none } } }"] : [];
  await writeFile(config, distributionConfig(join(folder, "data"), more));
  return startServer(program, ["serve", config], {
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  });
}
