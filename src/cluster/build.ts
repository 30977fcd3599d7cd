import { cp, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Call, makeFolder, temporaryFolder } from "../base/index.ts";
import { ClusterError } from "./errors.ts";
import { findProgram, runProgram } from "./program.ts";
import { seccompHeaders } from "./seccomp.ts";
import { type Build, programsOf } from "./versions.ts";

/** Where the modules are that programs are built of: a go.mod, its sums, and what to build. */
export const MODULES: string = fileURLToPath(new URL("./modules/", import.meta.url));

/**
 * Builds the programs of one Go module into `into`, which is then whole: a failed or interrupted build leaves nothing there.
 *
 * @throws ClusterError `program-missing` without Go (or, for runc, a C compiler), `build-failed`
 */
export async function buildPrograms(build: Build, into: string, call: Call): Promise<void> {
  const go = await findProgram("go");
  if (go === undefined) throw missing("go", `${build.name} ${build.version} is built with it`);
  const task = call.progress?.start(`build ${build.name} ${build.version}`, build.size, "entries");
  await makeFolder(into);
  await using work = await temporaryFolder(into, ".build-");
  const module = join(work.path, "module");
  const out = join(work.path, "out");
  try {
    // A copy: Go may want to write beside go.mod, and what is installed may be read-only.
    await cp(join(MODULES, build.name), module, { recursive: true });
    await makeFolder(out);
    const env = { ...GO, ...(build.seccomp ? await seccompHeaders(work.path, call) : { CGO_ENABLED: "0" }) };
    const args = [
      "build",
      "-v",
      "-trimpath",
      "-buildvcs=false",
      ...(build.tags === undefined ? [] : ["-tags", build.tags.join(",")]),
      "-ldflags",
      ["-s", "-w", ...(build.link ?? [])].join(" "),
      "-o",
      build.as === undefined ? `${out}/` : join(out, build.as),
      ...build.packages,
    ];
    const onLine = (line: string): void => {
      // With -v, a line a package; and one for each module that is fetched.
      if (/^[\w.-]+(?:\/[\w./~-]+)?$/.test(line)) task?.advance(1);
    };
    const { code, stderr } = await runProgram(go, args, { cwd: module, env, onLine }, call);
    if (code !== 0) throw failed(build, stderr);
    for (const program of programsOf(build)) {
      await rename(join(out, program), join(into, program));
    }
    task?.done();
  } catch (error) {
    task?.failed();
    throw error;
  }
}

const GO = { GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off" } as const;

function failed(build: Build, stderr: string): ClusterError {
  const said = stderr
    .split("\n")
    .filter((line) => line !== "" && !/^go: downloading |^[\w.-]+\/[\w./-]+$/.test(line));
  return new ClusterError(
    "build-failed",
    `${build.name} ${build.version} could not be built: ${said.slice(-4).join("; ").slice(0, 600)}`,
    { hint: "name a folder that has the programs with --bin, or mend what Go says and try again" },
  );
}

export function missing(program: string, why: string): ClusterError {
  return new ClusterError("program-missing", `${program} is not on the PATH: ${why}`, {
    hint: `install ${basename(program)}, or name a folder that has the cluster's programs with --bin`,
  });
}
