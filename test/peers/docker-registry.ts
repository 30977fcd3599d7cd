import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackDebian } from "./debian.ts";
import { type Peer, programOf } from "./program.ts";
import { type RunningRegistry, startServer } from "./server.ts";

/** CNCF distribution 2.8, the registry that most of the world runs. */
export const dockerRegistry: Peer = {
  name: "docker-registry",
  version: "testing-2",
  fetch: (into) => unpackDebian(["docker-registry"], into),
  program: "usr/bin/docker-registry",
};

/** Starts it over an empty folder that is removed on dispose. */
export async function startDockerRegistry(): Promise<RunningRegistry> {
  const program = await programOf(dockerRegistry);
  const folder = await mkdtemp(join(tmpdir(), "imgvol-docker-registry-"));
  const config = join(folder, "config.yml");
  await writeFile(config, distributionConfig(join(folder, "data")));
  return startServer(program, ["serve", config], {
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  });
}

/** A configuration of CNCF distribution, in versions 2 and 3: a folder, and deletes are allowed. */
export function distributionConfig(data: string, more: readonly string[] = []): string {
  return [
    "version: 0.1",
    "log: { level: warn }",
    `storage: { filesystem: { rootdirectory: ${data} }, delete: { enabled: true } }`,
    "http: { addr: 127.0.0.1:0 }",
    ...more,
    "",
  ].join("\n");
}
