import { cp, readdir, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Call,
  findProgram,
  formatCount,
  makeFolder,
  removeTree,
  runProgram,
  temporaryFolder,
} from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
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
  const task = call.progress?.start(`build ${build.name} ${build.version}`, build.size, "packages");
  try {
    await makeFolder(into);
    await sweep(into);
    await using work = await temporaryFolder(into, WORK);
    const module = join(work.path, "module");
    const out = join(work.path, "out");
    const temporary = join(work.path, "tmp");
    // A copy: Go may want to write beside go.mod, and what is installed may be read-only.
    await cp(join(MODULES, build.name), module, { recursive: true });
    for (const folder of [out, temporary]) await makeFolder(folder);
    // Go's own files, too, go with the folder: it cannot clean up when it is killed.
    const env = {
      ...GO,
      GOTMPDIR: temporary,
      ...(build.seccomp ? await seccompHeaders(work.path, call) : { CGO_ENABLED: "0" }),
    };
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
    let [compiled, fetched] = [0, 0];
    const onLine = (line: string): void => {
      if (MODULE.test(line)) fetched++;
      else if (PACKAGE.test(line)) {
        compiled++;
        task?.advance(1);
      }
    };
    const { code, stderr } = await runProgram(go, args, { cwd: module, env, onLine }, call);
    if (code !== 0) throw failed(build, stderr);
    for (const program of programsOf(build)) {
      await rename(join(out, program), join(into, program));
    }
    task?.done(outcome(compiled, fetched));
  } catch (error) {
    task?.failed();
    throw error;
  }
}

/** Not what the user set for programs of their own. */
const GO = { GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off", GOOS: "", GOARCH: "" } as const;

const WORK = ".build-";

/** What builds left that were killed; while the lock on the folder is held. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith(WORK)) await removeTree(join(folder, name));
}

/** Go says a line a module that it fetches, */
const MODULE = /^go: downloading /;
/** and with -v one a package that it compiles: none of what its cache has. */
const PACKAGE = /^[\w.-]+(?:\/[\w./~-]+)?$/;

function outcome(compiled: number, fetched: number): string {
  const modules = fetched === 0 ? "" : `${formatCount(fetched, "module", "modules")} fetched, `;
  if (compiled === 0) return `${modules}linked from Go's cache`;
  return `${modules}${formatCount(compiled, "package", "packages")} compiled`;
}

function failed(build: Build, stderr: string): ClusterError {
  const said = stderr.split("\n").filter((line) => line !== "" && !PACKAGE.test(line) && !MODULE.test(line));
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
