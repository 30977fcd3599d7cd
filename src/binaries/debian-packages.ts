import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, findProgram, makeFolder, runProgram } from "../base/index.ts";

/**
 * Debian packages, fetched from where the machine's own apt is pointed to and unpacked below `folder`, without installing
 * anything; undefined where there is no apt, or it does not have them.
 */
export async function debianPackages(
  folder: string,
  names: readonly string[],
  call: Call,
): Promise<string | undefined> {
  const [get, dpkg] = [await findProgram("apt-get"), await findProgram("dpkg")];
  if (get === undefined || dpkg === undefined) return undefined;
  const packages = join(folder, "packages");
  const root = join(folder, "root");
  for (const made of [packages, root]) await makeFolder(made);
  // The lists are kept in our folder: the machine's own may be missing, and are not ours to change.
  const lists = join(folder, "lists");
  await makeFolder(join(lists, "partial"));
  const options = ["-qq", "-o", "APT::Sandbox::User=", "-o", `Dir::State::Lists=${lists}`];
  for (const step of [["update"], ["download", ...names]]) {
    const { code } = await runProgram(get, [...options, ...step], { cwd: packages }, call);
    if (code !== 0) return undefined;
  }
  for (const file of await readdir(packages)) {
    const { code } = await runProgram(dpkg, ["-x", join(packages, file), root], {}, call);
    if (code !== 0) return undefined;
  }
  return root;
}
