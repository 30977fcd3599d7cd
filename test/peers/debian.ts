import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./program.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** Names the archives that were unpacked: of a moving release, only they tell which version it was. */
const PACKAGES = "packages.txt";

export interface DebianOptions {
  /** Default testing; "own" is this machine's, whose libraries can be mixed with those that are unpacked. */
  readonly release?: "testing" | "own";
  /**
   * Also everything that the packages depend on. "own-libc" leaves out the C library, which must fit the loader of
   * this machine; with "all" there is a loader beside the libraries, see {@link loaderScript}.
   */
  readonly closure?: "own-libc" | "all";
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
    const closure = options.closure === undefined ? packages : await closureOf(packages, env);
    const wanted = closure.filter((name) => options.closure === "all" || name !== "libc6");
    await run("apt-get", ["-q", "download", ...wanted], { env, cwd: root });
    const archives = (await readdir(root)).filter((name) => name.endsWith(".deb")).sort();
    for (const name of archives) await run("dpkg", ["-x", join(root, name), into]);
    await writeFile(join(into, PACKAGES), archives.map((name) => `${name}\n`).join(""));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Which version of a package {@link unpackDebian} put into `home`, without Debian's own part of the number. */
export async function debianVersion(name: string, home: string): Promise<string> {
  const archives = await readFile(join(home, PACKAGES), "utf8");
  // deb(5): NAME_VERSION_ARCHITECTURE.deb, a colon in it percent-encoded.
  const found = archives.split("\n").find((archive) => archive.startsWith(`${name}_`));
  return (found?.split("_")[1] ?? "").replace(/^\d+%3a/, "").replace(/[-+~].*$/, "");
}

/**
 * A script at `into/bin/NAME` that runs `usr/bin/NAME` of an unpacked closure by the loader beside it: what is newer
 * than this machine's C library runs without a chroot, and without root.
 */
export async function loaderScript(name: string, into: string): Promise<void> {
  const [triple, loader] =
    process.arch === "arm64"
      ? ["aarch64-linux-gnu", "ld-linux-aarch64.so.1"]
      : ["x86_64-linux-gnu", "ld-linux-x86-64.so.2"];
  const script = [
    "#!/bin/sh",
    'here=$(dirname "$0")/../usr',
    `libraries=$here/lib/${triple}`,
    `exec "$libraries/${loader}" --library-path "$libraries" "$here/bin/${name}" "$@"`,
    "",
  ];
  await mkdir(join(into, "bin"));
  await writeFile(join(into, "bin", name), script.join("\n"), { mode: 0o755 });
}

/** What apt would install for `packages` on a machine that has nothing. */
async function closureOf(
  packages: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const args = ["-q", "--simulate", "--no-install-recommends", "install", ...packages];
  const { stdout } = await run("apt-get", args, { env });
  return [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name = ""]) => name);
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
