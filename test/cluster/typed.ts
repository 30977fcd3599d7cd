import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { listen, quietCall, temporaryFolder } from "../../src/base/index.ts";
import { findBinaries } from "../../src/binaries/index.ts";
import { type Ran, run } from "../peers/program.ts";
import { HERE } from "./cluster.ts";
import { programs } from "./programs.ts";

/** Ports that the pages name, and that may be somebody's on this machine. */
const PORTS = ["5001", "8080", "8081", "8082", "18888"] as const;

/** A place in which pages can be typed from top to bottom: a clone of its own, clusters of its own, ports that are free. */
export interface Place extends AsyncDisposable {
  /** Types what pages show as `sh`, in one shell, and then more. @returns what was printed @throws where a command fails */
  type(pages: readonly string[], more: string): Promise<Ran>;
}

export async function openPlace(): Promise<Place> {
  const folder = await temporaryFolder(tmpdir(), "imgvol-typed-");
  const bin = join(folder.path, "bin");
  const clone = join(folder.path, "clone");
  const ports = new Map<string, number>();
  for (const port of PORTS) ports.set(port, await freePort());
  const here = (text: string): string =>
    PORTS.reduce(
      (result, port) =>
        result.replaceAll(new RegExp(`(localhost:|--publish )${port}\\b`, "g"), `$1${ports.get(port)}`),
      text,
    );

  await mkdir(bin);
  const { path } = await findBinaries(programs, quietCall());
  await symlink(path("kubectl"), join(bin, "kubectl"));
  const imgvol = `#!/bin/sh\nexec '${process.execPath}' '${join(HERE, "bin/imgvol.cjs")}' "$@"\n`;
  await writeFile(join(bin, "imgvol"), imgvol, { mode: 0o755 });
  // A Node.js of this machine that is not to get into an image: as old as it may be, npm runs on it.
  const old = `#!/bin/sh\ncase "$*" in "-p process.execPath") echo /bin/false ;; *) exec '${process.execPath}' "$@" ;; esac\n`;
  await writeFile(join(bin, "node"), old, { mode: 0o755 });
  await cp(join(HERE, "examples"), join(clone, "examples"), { recursive: true });
  // As after `npm ci`.
  await symlink(join(HERE, "node_modules"), join(clone, "node_modules"));
  for (const file of await readdir(join(clone, "examples"), { recursive: true })) {
    if (!file.endsWith(".yaml")) continue;
    const at = join(clone, "examples", file);
    await writeFile(at, here(await readFile(at, "utf8")));
  }
  const packed = await run(
    "npm",
    ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder.path],
    { cwd: HERE },
  );
  const tarball = join(folder.path, packed.stdout.trim());
  const how = programs.bin === undefined ? "" : `--bin '${programs.bin}'`;
  const typed = (text: string): string =>
    here(text)
      .replaceAll(
        "imgvol cluster up",
        `imgvol cluster up ${how} --api-port 0 --registry-port ${ports.get("5001")}`,
      )
      .replaceAll("$(npm pack --silent)", tarball);
  const env = {
    PATH: [bin, dirname(process.execPath), process.env["PATH"]].join(delimiter),
    // Clusters of other tests, and of a user, are elsewhere.
    XDG_STATE_HOME: join(folder.path, "state"),
    KUBECACHEDIR: join(folder.path, "kubectl-cache"),
    TMPDIR: folder.path,
  };
  const sh = (script: string): Promise<Ran> => run("sh", ["-euc", script], { cwd: clone, env });
  return {
    async type(pages, more) {
      const blocks: string[] = [];
      for (const page of pages) {
        const text = await readFile(join(HERE, page), "utf8");
        for (const [, block = ""] of text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)) blocks.push(typed(block));
      }
      return await sh([...blocks, typed(more)].join("\n"));
    },
    async [Symbol.asyncDispose]() {
      for (const name of ["imgvol", "old"]) await sh(`imgvol cluster down --name ${name}`);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, { host: "127.0.0.1", port: 0, flag: "" });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
