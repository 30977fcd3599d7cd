import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crane } from "../peers/crane.ts";
import { oras } from "../peers/oras.ts";
import { type Peer, programOf, type Ran, run } from "../peers/program.ts";
import { regctl } from "../peers/regctl.ts";
import { skopeo } from "../peers/skopeo.ts";

/** A client of the matrix. References are `HOST/REPOSITORY:TAG`, layouts are folders whose one image has the tag v1. */
export interface Client {
  readonly name: string;
  /** Undefined for ours. */
  readonly peer?: Peer;
  /** Sends a layout's image as it is, all platforms. */
  push(layout: string, to: string): Promise<unknown>;
  /** Writes an image, all platforms, into a layout folder that is not there yet. */
  pull(from: string, layout: string): Promise<unknown>;
  /** As {@link pull}, but the image of linux/arm64 alone. */
  pullArm(from: string, layout: string): Promise<unknown>;
  copy(from: string, to: string): Promise<unknown>;
  tags(repository: string): Promise<string[]>;
  /** Deletes the manifest of a digest. */
  delete(repository: string, digest: string): Promise<unknown>;
  /** The digests of what refers to an image; undefined where the client cannot tell. */
  readonly referrers?: (image: string) => Promise<string[]>;
  /** Copies an image with what refers to it; undefined where the client cannot. */
  readonly copyReferrers?: (from: string, to: string) => Promise<unknown>;
  /** What the program says of its commands and of its copy. */
  help(): Promise<string>;
  /** Makes something in its own way at `to`. */
  make(of: Material, to: string): Promise<unknown>;
}

/** The same content as each client wants it. */
export interface Material {
  readonly folder: string;
  readonly tar: string;
  /** An image of one platform. */
  readonly layout: string;
}

/** What the clients need: a home without anyone's credentials, and the registries that speak plain HTTP. */
export interface Surroundings {
  readonly home: string;
  readonly hosts: readonly string[];
}

const ARM = "linux/arm64";
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
const main: string = join(import.meta.dirname, "../../src/cli/main.ts");

/** Every client, with a home of its own. */
export async function allClients({ home, hosts }: Surroundings): Promise<Client[]> {
  await mkdir(home, { recursive: true });
  const cache = join(home, "cache");
  // The last is for ours, which is started hundreds of times: its modules are compiled once.
  const env = {
    HOME: home,
    XDG_RUNTIME_DIR: home,
    XDG_CACHE_HOME: cache,
    DOCKER_CONFIG: home,
    NODE_COMPILE_CACHE: join(cache, "node"),
  };
  const runs =
    (program: string, ...first: readonly string[]) =>
    (...args: readonly string[]): Promise<Ran> =>
      run(program, [...first, ...args], { env, cwd: home });
  const regHosts = hosts.flatMap((host) => ["--host", `reg=${host},tls=disabled`]);
  return [
    byImgvol(runs(process.execPath, main)),
    byCrane(runs(await programOf(crane))),
    byOras(runs(await programOf(oras))),
    bySkopeo(runs(await programOf(skopeo), "--insecure-policy", "--tmpdir", home)),
    byRegctl(runs(await programOf(regctl), ...regHosts), home),
  ];
}

type Command = (...args: readonly string[]) => Promise<Ran>;

function byImgvol(command: Command): Client {
  return {
    name: "imgvol",
    help: async () => (await command("copy", "--help")).stdout,
    push: (layout, to) => command("copy", `oci:${layout}:v1`, to),
    pull: (from, layout) => command("copy", from, `oci:${layout}:v1`),
    pullArm: (from, layout) => command("copy", "--platform", ARM, from, `oci:${layout}:v1`),
    copy: (from, to) => command("copy", from, to),
    tags: async (repository) => lines((await command("tags", repository)).stdout),
    delete: (repository, digest) => command("delete", `${repository}@${digest}`),
    async referrers(image) {
      const { stdout } = await command("inspect", "--referrers", "--json", image);
      return digestsIn(JSON.parse(stdout).referrers);
    },
    copyReferrers: (from, to) => command("copy", "--referrers", from, to),
    make: ({ folder }, to) => command("pack", folder, "-t", to),
  };
}

function byCrane(command: Command): Client {
  return {
    name: "crane",
    help: async () => (await command("--help")).stdout,
    peer: crane,
    push: (layout, to) => command("push", layout, to),
    pull: (from, layout) => command("pull", "--format", "oci", from, layout),
    pullArm: (from, layout) => command("pull", "--format", "oci", "--platform", ARM, from, layout),
    copy: (from, to) => command("copy", from, to),
    tags: async (repository) => lines((await command("ls", repository)).stdout),
    delete: (repository, digest) => command("delete", `${repository}@${digest}`),
    // Onto nothing, which gives a manifest of Docker's schema 2.
    make: ({ tar }, to) => command("append", "-f", tar, "-t", to),
  };
}

function byOras(command: Command): Client {
  return {
    name: "oras",
    help: async () => (await command("--help")).stdout,
    peer: oras,
    push: (layout, to) => command("cp", "--from-oci-layout", "--to-plain-http", `${layout}:v1`, to),
    pull: (from, layout) => command("cp", "--from-plain-http", "--to-oci-layout", from, `${layout}:v1`),
    pullArm: (from, layout) =>
      command("cp", "--platform", ARM, "--from-plain-http", "--to-oci-layout", from, `${layout}:v1`),
    copy: (from, to) => command("cp", "--from-plain-http", "--to-plain-http", from, to),
    tags: async (repository) => lines((await command("repo", "tags", "--plain-http", repository)).stdout),
    delete: (repository, digest) =>
      command("manifest", "delete", "--force", "--plain-http", `${repository}@${digest}`),
    async referrers(image) {
      const { stdout } = await command("discover", "--plain-http", "--format", "json", image);
      return digestsIn(JSON.parse(stdout).referrers);
    },
    copyReferrers: (from, to) => command("cp", "-r", "--from-plain-http", "--to-plain-http", from, to),
    // An artifact without a config.
    make: ({ tar }, to) =>
      command("push", "--plain-http", "--disable-path-validation", to, `${tar}:application/vnd.example.tar`),
  };
}

function bySkopeo(command: Command): Client {
  const all = ["copy", "--all", "--preserve-digests"];
  const plain = { src: "--src-tls-verify=false", dest: "--dest-tls-verify=false" };
  return {
    name: "skopeo",
    help: async () => (await command("--help")).stdout,
    peer: skopeo,
    push: (layout, to) => command(...all, plain.dest, `oci:${layout}:v1`, `docker://${to}`),
    pull: (from, layout) =>
      command(
        ...all,
        plain.src,
        "--dest-oci-accept-uncompressed-layers",
        `docker://${from}`,
        `oci:${layout}:v1`,
      ),
    pullArm: (from, layout) =>
      command(
        ...["--override-os", "linux", "--override-arch", "arm64", "copy", "--preserve-digests"],
        ...[plain.src, `docker://${from}`, `oci:${layout}:v1`],
      ),
    copy: (from, to) => command(...all, plain.src, plain.dest, `docker://${from}`, `docker://${to}`),
    async tags(repository) {
      return JSON.parse((await command("list-tags", "--tls-verify=false", `docker://${repository}`)).stdout)
        .Tags;
    },
    delete: (repository, digest) =>
      command("delete", "--tls-verify=false", `docker://${repository}@${digest}`),
    // Another manifest over the same layers: Docker's schema 2.
    make: ({ layout }, to) =>
      command("copy", "--format", "v2s2", plain.dest, `oci:${layout}:v1`, `docker://${to}`),
  };
}

function byRegctl(command: Command, home: string): Client {
  return {
    name: "regctl",
    help: async () => (await command("--help")).stdout,
    peer: regctl,
    push: (layout, to) => command("image", "copy", `ocidir://${layout}:v1`, to),
    pull: (from, layout) => command("image", "copy", from, `ocidir://${layout}:v1`),
    pullArm: (from, layout) => command("image", "copy", "--platform", ARM, from, `ocidir://${layout}:v1`),
    copy: (from, to) => command("image", "copy", from, to),
    tags: async (repository) => lines((await command("tag", "ls", repository)).stdout),
    delete: (repository, digest) => command("manifest", "delete", `${repository}@${digest}`),
    async referrers(image) {
      const { stdout } = await command("artifact", "list", "--format", "{{ json . }}", image);
      return digestsIn(JSON.parse(stdout).descriptors);
    },
    copyReferrers: (from, to) => command("image", "copy", "--referrers", from, to),
    async make(_of, to) {
      const note = join(home, "note.txt");
      await writeFile(note, "a note");
      await command("artifact", "put", "--artifact-type", "application/vnd.example.note", "-f", note, to);
    },
  };
}

function digestsIn(list: readonly { readonly digest: string }[] | null): string[] {
  return (list ?? []).map(({ digest }) => digest);
}
