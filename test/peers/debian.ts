import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./program.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

export interface DebianOptions {
  /** Default testing; "own" is this machine's, whose libraries can be mixed with those that are unpacked. */
  readonly release?: "testing" | "own";
  /** Also everything that the packages depend on, but the C library: it must fit the loader of this machine. */
  readonly closure?: boolean;
}

/**
 * Unpacks packages of Debian into `into`, without installing anything on this machine: a private apt tree, with the
 * mirror that the machine itself uses.
 */
export async function unpackDebian(
  packages: readonly string[],
  into: string,
  options: DebianOptions = {},
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "imgvol-apt-"));
  try {
    const env = { APT_CONFIG: await privateTree(root, options.release ?? "testing") };
    await run("apt-get", ["-q", "update"], { env });
    const wanted = options.closure ? await closureOf(packages, env) : packages;
    await run("apt-get", ["-q", "download", ...wanted], { env, cwd: root });
    for (const name of await readdir(root)) {
      if (name.endsWith(".deb")) await run("dpkg", ["-x", join(root, name), into]);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** What apt would install for `packages` on a machine that has nothing. */
async function closureOf(
  packages: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const args = ["-q", "--simulate", "--no-install-recommends", "install", ...packages];
  const { stdout } = await run("apt-get", args, { env });
  return [...stdout.matchAll(/^Inst (\S+)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "libc6");
}

/** The APT_CONFIG of an apt tree below `root` that knows one release alone. */
async function privateTree(root: string, release: "testing" | "own"): Promise<string> {
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
  const own = await codename();
  const suite = release === "own" ? own : release;
  await writeFile(join(root, "etc/sources.list"), `deb${signed} ${await mirror(own)} ${suite} main\n`);
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

async function codename(): Promise<string> {
  return /^VERSION_CODENAME=(\S+)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1] ?? "";
}

/** The mirror from which this machine takes its own Debian release. */
async function mirror(release: string): Promise<string> {
  const format = "$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)";
  const { stdout } = await run("apt-get", ["indextargets", "--format", format]);
  for (const line of stdout.split("\n")) {
    const [kind, suite, component, uri] = line.split(" ");
    if (kind === "Packages" && suite === release && component === "main" && uri !== undefined) return uri;
  }
  throw new Error(`no apt source for ${release} main on this machine`);
}
