import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./program.ts";

/**
 * Builds a program of a Go module at a fixed version into `into/bin`. By a go.mod that requires it: some proxies
 * answer exact versions only, and then `go install` fails.
 */
export async function buildGo(module: string, version: string, program: string, into: string): Promise<void> {
  await build(module, version, into, async () => [join(into, "bin"), program]);
}

/**
 * Builds our own Go file, which imports `module`, into the program `into/bin/name`.
 *
 * @param path of our module: below a package, it may import what is internal to that
 */
export async function buildGoFile(
  source: string,
  name: string,
  module: string,
  version: string,
  into: string,
  path = "peer",
): Promise<void> {
  const prepare = async (folder: string): Promise<readonly [output: string, program: string]> => {
    await copyFile(source, join(folder, "main.go"));
    return [join(into, "bin", name), "."];
  };
  await build(module, version, into, prepare, path);
}

async function build(
  module: string,
  version: string,
  into: string,
  prepare: (folder: string) => Promise<readonly [output: string, program: string]>,
  path = "peer",
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-go-"));
  try {
    await writeFile(join(folder, "go.mod"), `module ${path}\n\ngo 1.24\n\nrequire ${module} ${version}\n`);
    await mkdir(join(into, "bin"));
    const [output, program] = await prepare(folder);
    await run("go", ["build", "-ldflags", "-s -w", "-o", output, program], {
      cwd: folder,
      env: { CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "-mod=mod" },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
