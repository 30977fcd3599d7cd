import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distributionConfig, dockerRegistry } from "../peers/docker-registry.ts";
import { programOf } from "../peers/program.ts";
import { startServer } from "../peers/server.ts";

const main: string = join(import.meta.dirname, "../../src/cli/main.ts");

/** A registry to be used over a bad network, and looked at without one. */
export interface FlakyRegistry {
  readonly name: string;
  readonly port: number;
  /** The file that holds a repository's content; undefined where its files are not for us to read. */
  fileOf?(repository: string, digest: string): string;
  /** The ids of the uploads that have not ended, by its files. */
  unfinished?(): Promise<readonly string[]>;
  /** It may answer a DELETE of an upload, and keep it all the same. */
  readonly keepsDeleted?: true;
}

/** Ours, as users start it: a process of its own, over a folder. */
export async function ownRegistry(): Promise<FlakyRegistry & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-flaky-own-"));
  const cleanUp = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const args = [main, "registry", "serve", "--listen", "127.0.0.1:0", "--dir", folder];
  const server = await startServer(process.execPath, args, { cleanUp });
  return {
    name: "ours",
    port: portOf(server.host),
    fileOf: (repository, digest) => join(folder, repository, "_layout/blobs", digest.replace(":", "/")),
    unfinished: async () => idsIn(await readdir(join(folder, "_uploads")), /^(.*)\.json$/),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** CNCF distribution 2.8. */
export async function distributionRegistry(): Promise<FlakyRegistry & AsyncDisposable> {
  const program = await programOf(dockerRegistry);
  const folder = await mkdtemp(join(tmpdir(), "imgvol-flaky-distribution-"));
  const data = join(folder, "data/docker/registry/v2");
  const config = join(folder, "config.yml");
  await writeFile(config, distributionConfig(join(folder, "data")));
  const server = await startServer(program, ["serve", config], {
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  });
  return {
    name: "docker-registry",
    port: portOf(server.host),
    // Where a cut left more bytes than the state in the Location says: it answers 404.
    keepsDeleted: true,
    fileOf(_repository, digest) {
      const hex = digest.replace("sha256:", "");
      return join(data, "blobs/sha256", hex.slice(0, 2), hex, "data");
    },
    // Of an upload that was deleted it keeps the states of hashes, but not when it began.
    unfinished: async () =>
      idsIn(await readdir(data, { recursive: true }), /\/_uploads\/([0-9a-f-]{36})\/startedat$/),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function idsIn(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) => pattern.exec(path)?.[1] ?? []);
}

function portOf(host: string): number {
  return Number(host.split(":").at(-1));
}
