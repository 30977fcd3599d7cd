import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Call, findProgram, runProgram, shellWord } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import { debianPackages } from "./debian-packages.ts";

/**
 * What Go needs to link runc with libseccomp: the system's own headers and library, where pkg-config knows them; else Debian's
 * package, unpacked into `folder` and not installed.
 *
 * @throws ClusterError `program-missing`
 */
export async function seccompHeaders(folder: string, call: Call): Promise<Readonly<Record<string, string>>> {
  if ((await findProgram("gcc")) === undefined && (await findProgram("cc")) === undefined) {
    throw new ClusterError("program-missing", "no C compiler is on the PATH: runc is built with one", {
      hint: "install gcc, or name a folder that has runc with --bin",
    });
  }
  const pkgConfig = await findProgram("pkg-config");
  if (pkgConfig !== undefined) {
    const found = await runProgram(pkgConfig, ["--exists", "libseccomp"], {}, call);
    // Linked statically, it needs the archive too, which comes with the headers.
    if (found.code === 0) return { CGO_ENABLED: "1" };
  }
  const root = await debianPackages(folder, ["libseccomp-dev"], call);
  if (root === undefined) {
    throw new ClusterError(
      "program-missing",
      "the headers of libseccomp are not there: runc is built with them",
      {
        hint: "install libseccomp-dev (libseccomp-devel), or name a folder that has runc with --bin",
      },
    );
  }
  const libraries = join(root, "usr/lib");
  const triple = (await readdir(libraries)).find((name) => name.endsWith("-linux-gnu")) ?? "";
  const standIn = join(folder, "pkg-config");
  // Only libseccomp is asked for.
  const text = `#!/bin/sh
case "$*" in
  *--cflags*) echo ${shellWord(`"-I${root}/usr/include"`)} ;;
  *--libs*) echo ${shellWord(`"-L${join(libraries, triple)}" -lseccomp`)} ;;
esac
`;
  await writeFile(standIn, text);
  await chmod(standIn, 0o755);
  return { CGO_ENABLED: "1", PKG_CONFIG: standIn };
}
