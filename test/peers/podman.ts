import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackDebian } from "./debian.ts";
import { type Peer, programOf, type Ran, run } from "./program.ts";

/** With all that it is linked with, and the programs that it starts. */
export const podman: Peer = {
  name: "podman",
  version: "testing",
  fetch: (into) => unpackDebian(["podman", "crun", "catatonit"], into, { closure: "all" }),
  program: "usr/bin/podman",
};

const SETTINGS: Readonly<Record<string, string>> = {
  "containers/containers.conf": [
    "[containers]",
    // It would refuse the mix of cgroup versions that some machines have.
    'cgroups = "disabled"',
    'log_driver = "k8s-file"',
    "[engine]",
    'events_logger = "none"',
    'runtime = "crun"',
  ].join("\n"),
  "containers/storage.conf": [
    "[storage]",
    'driver = "overlay"',
    'graphroot = "/data/images"',
    'runroot = "/run/containers/storage"',
  ].join("\n"),
  "containers/registries.conf": '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true',
  passwd: "root:x:0:0:root:/:/bin/sh",
  group: "root:x:0:",
};

/** $1 the unpacked packages, $2 the folder that is the root, $3 podman's data. Says when it is ready; ends with its stdin. */
const ROOT = `set -e
mount -t tmpfs -o mode=0755 tmpfs "$2"
cp -a "$1/etc" "$2/etc"
cp -a "$3/etc/." "$2/etc"
cd "$2"
mkdir -p usr proc sys dev tmp run var/tmp data
for name in bin sbin lib lib64; do ln -s "usr/$name" "$name"; done
mount --bind "$1/usr" usr
mount -o remount,bind,ro usr
for name in proc sys dev; do mount --rbind "/$name" "$name"; done
mount --bind "$3" data
# crun takes a machine with this one for a machine of version 2.
umount sys/fs/cgroup/unified 2>/dev/null || true
echo ready
exec cat >/dev/null
`;

/** podman in a root and namespaces of its own: its containers and its mounts end with it. Needs root. */
export class Podman implements AsyncDisposable {
  readonly #holder: ChildProcess;
  readonly #folder: string;

  private constructor(holder: ChildProcess, folder: string) {
    this.#holder = holder;
    this.#folder = folder;
  }

  static async start(): Promise<Podman> {
    const home = (await programOf(podman)).slice(0, -podman.program.length);
    const folder = await mkdtemp(join(tmpdir(), "imgvol-podman-"));
    const [root, data] = [join(folder, "root"), join(folder, "data")];
    await mkdir(root);
    await mkdir(join(data, "etc", "containers"), { recursive: true });
    for (const [name, text] of Object.entries(SETTINGS)) {
      await writeFile(join(data, "etc", name), `${text}\n`);
    }
    const own = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const script = ["sh", "-c", ROOT, "podman", home, root, data];
    const holder = spawn("unshare", [...own, ...script], { stdio: ["pipe", "pipe", "pipe"] });
    const started = new Podman(holder, folder);
    let said = "";
    holder.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ready = once(holder.stdout, "data").then(() => true);
    const gone = once(holder, "exit").then(
      () => false,
      (error: unknown) => {
        said += String(error);
        return false;
      },
    );
    if (await Promise.race([ready, gone])) return started;
    await started[Symbol.asyncDispose]();
    throw new Error(`podman's root could not be made: ${said}`);
  }

  /** Runs `podman WORDS`. Files of {@link file} are seen by it. */
  async run(words: readonly string[], codes: readonly number[] = [0]): Promise<Ran> {
    const pid = this.#holder.pid ?? 0;
    // The holder itself is not in the namespace of processes that its children are in.
    const enter = [`--target=${pid}`, "--mount", `--pid=/proc/${pid}/ns/pid_for_children`];
    const program = ["chroot", join(this.#folder, "root"), "/usr/bin/podman", ...words];
    const env = { PODMAN_IGNORE_CGROUPSV1_WARNING: "1", PATH: "/usr/bin:/usr/sbin:/bin:/sbin", HOME: "/tmp" };
    return await run("nsenter", [...enter, ...program], { env, codes });
  }

  /** Writes a file. @returns where podman sees it */
  async file(name: string, text: string): Promise<string> {
    await writeFile(join(this.#folder, "data", name), text);
    return `/data/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // unshare is deaf to TERM while it waits for its child, and that one ends with what it reads.
    this.#holder.stdin?.end();
    if (this.#holder.pid !== undefined && this.#holder.exitCode === null) await once(this.#holder, "exit");
    await rm(this.#folder, { recursive: true, force: true });
  }
}
