import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./program.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Unpacks packages of Debian testing into `into`, without installing anything on this machine: a private apt tree,
 * with the mirror that the machine itself uses.
 */
export async function unpackDebian(packages: readonly string[], into: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "imgvol-apt-"));
  try {
    const env = { APT_CONFIG: await privateTree(root) };
    await run("apt-get", ["-q", "update"], { env });
    await run("apt-get", ["-q", "download", ...packages], { env, cwd: root });
    for (const name of await readdir(root)) {
      if (name.endsWith(".deb")) await run("dpkg", ["-x", join(root, name), into]);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The APT_CONFIG of an apt tree below `root` that knows testing alone. */
async function privateTree(root: string): Promise<string> {
  for (const folder of [
    "etc/apt.conf.d",
    "etc/sources.list.d",
    "etc/preferences.d",
    "lists/partial",
    "cache/archives/partial",
  ]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await writeFile(join(root, "status"), "");
  const signed = existsSync(KEYRING) ? ` [signed-by=${KEYRING}]` : "";
  await writeFile(join(root, "etc/sources.list"), `deb${signed} ${await mirror()} testing main\n`);
  const config = join(root, "apt.conf");
  await writeFile(
    config,
    [
      `Dir::Etc "${root}/etc/";`,
      `Dir::Etc::sourcelist "${root}/etc/sources.list";`,
      `Dir::Etc::sourceparts "${root}/etc/sources.list.d";`,
      `Dir::State::Lists "${root}/lists";`,
      `Dir::State::status "${root}/status";`,
      `Dir::Cache "${root}/cache";`,
      'APT::Sandbox::User "root";',
      'Acquire::Check-Valid-Until "false";',
      'Acquire::Languages "none";',
      "",
    ].join("\n"),
  );
  return config;
}

/** The mirror from which this machine takes its own Debian release. */
async function mirror(): Promise<string> {
  const release = /^VERSION_CODENAME=(\S+)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1];
  const format = "$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)";
  const { stdout } = await run("apt-get", ["indextargets", "--format", format]);
  for (const line of stdout.split("\n")) {
    const [kind, suite, component, uri] = line.split(" ");
    if (kind === "Packages" && suite === release && component === "main" && uri !== undefined) return uri;
  }
  throw new Error(`no apt source for ${release} main on this machine`);
}
