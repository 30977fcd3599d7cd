import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { unpackDebian } from "./debian.ts";
import { end, type Peer, programOf } from "./program.ts";

/** CNCF distribution 2.8, the registry that most of the world runs. */
export const dockerRegistry: Peer = {
  name: "docker-registry",
  version: "testing",
  fetch: (into) => unpackDebian(["docker-registry"], into),
  program: "usr/bin/docker-registry",
};

/** Starts it on a free port of 127.0.0.1, over an empty folder that is removed on dispose. */
export async function startDockerRegistry(): Promise<{ readonly host: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-docker-registry-"));
  const config = join(folder, "config.yml");
  await writeFile(
    config,
    [
      "version: 0.1",
      "log: { level: info, formatter: json }",
      `storage: { filesystem: { rootdirectory: ${folder}/data }, delete: { enabled: true } }`,
      "http: { addr: 127.0.0.1:0 }",
      "",
    ].join("\n"),
  );
  const child = spawn(await programOf(dockerRegistry), ["serve", config], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const dispose = async (): Promise<void> => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  const failed = once(child, "exit").then(() => undefined);
  const lines = createInterface({ input: child.stderr });
  const listening = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      // The port that the kernel gave is told only in the log.
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
  const host = await Promise.race([listening, failed]);
  if (host === undefined) {
    await dispose();
    throw new Error("docker-registry ended before it listened");
  }
  return { host, [Symbol.asyncDispose]: dispose };
}
