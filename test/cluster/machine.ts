import { execFileSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a cluster could leave on a machine. */
export interface Machine {
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly interfaces: readonly string[];
  readonly routes: string;
  readonly sysctls: readonly string[];
  readonly folders: readonly string[];
}

const SYSCTLS = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
  "net/ipv4/ip_forward",
];

/** Processes are those of a cluster alone: others come and go. */
const OURS = /imgvol_cluster=|kube-|kubelet|containerd|coredns|\/etcd|node-init|keeper/i;

export async function lookAtMachine(): Promise<Machine> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).trimEnd().split("\n");
  return {
    processes: await processes(),
    mounts: mounts.map((line) => line.split(" ")[4] ?? "").sort(),
    cgroups: await cgroups(),
    interfaces: (await readdir("/sys/class/net")).sort(),
    routes: execFileSync("ip", ["route", "show", "table", "all"], { encoding: "utf8" }),
    sysctls: await Promise.all(SYSCTLS.map((name) => readFile(join("/proc/sys", name), "utf8"))),
    folders: (
      await Promise.all(["/run", "/var/lib", "/etc", "/opt", "/var/log"].map((folder) => listing(folder)))
    ).flat(),
  };
}

async function processes(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
    if (environment.includes("IMGVOL_CLUSTER=") || OURS.test(command)) found.push(command);
  }
  return found.sort();
}

async function cgroups(): Promise<string[]> {
  const root = "/sys/fs/cgroup";
  const found: string[] = [];
  for (const name of await readdir(root)) {
    const below = await readdir(join(root, name)).catch(() => []);
    for (const group of [name, ...below]) if (group.startsWith("imgvol")) found.push(join(name, group));
  }
  return found;
}

async function listing(folder: string): Promise<string[]> {
  return (await readdir(folder)).map((name) => join(folder, name)).sort();
}

/** What there is of one cluster alone, whatever others come and go at the time. */
export async function tracesOf({
  id,
  folder,
}: {
  readonly id: string;
  readonly folder: string;
}): Promise<string[]> {
  const mark = id.slice(0, 8);
  const { mounts, cgroups: groups, interfaces, folders } = await lookAtMachine();
  const found = [...mounts, ...groups, ...interfaces, ...folders];
  const traces = found.filter((name) => name.startsWith(folder) || name.includes(mark));
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    for (const file of ["cmdline", "environ"]) {
      const text = await readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "");
      if (text.includes(folder) || text.includes(id)) traces.push(`${pid} ${text.slice(0, 200)}`);
    }
  }
  return traces;
}
