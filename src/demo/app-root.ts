import { chmod, cp, realpath, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Call, makeFolder, runProgram } from "../base/index.ts";
import { DemoError } from "./errors.ts";

/** Libraries that the C library loads by name while it runs, so that no program says that it needs them. */
const BY_NAME = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1"];

/** As whom an app runs, unless its pod says otherwise. */
export const APP_USER = 1000;

/** Makes what a program expects of a root: users, how names are looked up, a place for temporary files. */
export async function makeRoot(root: string): Promise<void> {
  for (const folder of ["etc", "tmp", "app"]) await makeFolder(join(root, folder));
  await chmod(join(root, "tmp"), 0o1777);
  const users = ["root:x:0:0:root:/:/sbin/nologin", `app:x:${APP_USER}:${APP_USER}:app:/tmp:/sbin/nologin`];
  await writeFile(join(root, "etc", "passwd"), `${users.join("\n")}\n`);
  await writeFile(join(root, "etc", "nsswitch.conf"), "hosts: files dns\n");
}

/** Copies a program of this machine, with the libraries that it needs, to `at` in a root. */
export async function addProgram(root: string, program: string, at: string, call: Call): Promise<void> {
  await copyFile(program, join(root, at));
  await chmod(join(root, at), 0o755);
  await addLibraries(root, [at], call);
}

/**
 * Copies the libraries that programs in a root need from this machine to where the loader looks for them.
 *
 * @param files programs and libraries, by their paths in the root; what they find in the root itself is left alone
 * @throws DemoError `build-failed` where a library is missing, or ldd is
 */
export async function addLibraries(root: string, files: readonly string[], call: Call): Promise<void> {
  const own = new Set(files.map((file) => basename(file)));
  const needed = new Set<string>();
  // A static program needs nothing, and ldd says so by its exit code.
  const { stdout } = await runProgram(
    "ldd",
    files.map((file) => join(root, file)),
    {},
    call,
  ).catch((cause: unknown) => {
    const message = "ldd could not be run: it says which libraries a program needs";
    throw new DemoError("build-failed", message, { cause });
  });
  for (const line of stdout.split("\n")) {
    const missing = /^\s*(\S+) => not found/.exec(line)?.[1];
    // A program may load its own libraries by their paths, and these then find each other.
    if (missing !== undefined && !own.has(missing)) {
      throw new DemoError("build-failed", `the library ${missing} is needed, and is not here`);
    }
    const path = /(?:=> |^\s*)(\/\S+) \(/.exec(line)?.[1];
    if (path !== undefined && !path.startsWith(`${root}/`)) needed.add(path);
  }
  for (const folder of new Set([...needed].map(dirname))) {
    for (const name of BY_NAME) {
      const there = await realpath(join(folder, name)).catch(() => undefined);
      if (there !== undefined) needed.add(join(folder, name));
    }
  }
  for (const path of needed) await copyFile(path, join(root, path));
}

/** What a link leads to, as a file. */
async function copyFile(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await cp(await realpath(from), to);
}
