import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./program.ts";

/**
 * Builds a program of a Go module at a fixed version into `into/bin`. By a go.mod that requires it: some proxies
 * answer exact versions only, and then `go install` fails.
 */
export async function buildGo(module: string, version: string, program: string, into: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "imgvol-go-"));
  try {
    await writeFile(join(folder, "go.mod"), `module peer\n\ngo 1.24\n\nrequire ${module} ${version}\n`);
    await mkdir(join(into, "bin"), { recursive: true });
    await run("go", ["build", "-ldflags", "-s -w", "-o", join(into, "bin"), program], {
      cwd: folder,
      env: { CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "-mod=mod" },
    });
    await chmod(join(into, "bin"), 0o755);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
