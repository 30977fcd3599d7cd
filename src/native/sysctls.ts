import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Settings of the whole machine that the kubelet sets, and to what; no namespace has its own.
 * https://github.com/kubernetes/component-helpers/blob/master/node/util/sysctl/sysctl.go
 */
const CHANGED: Sysctls = {
  "vm/overcommit_memory": "1",
  "vm/panic_on_oom": "0",
  "kernel/panic": "10",
  "kernel/panic_on_oops": "1",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/keys/root_maxbytes": "25000000",
};

export type Sysctls = Readonly<Record<string, string>>;

/** What they are without a cluster. @param known as it was found before: one that has a cluster's value may have it from a cluster */
export async function sysctlsBefore(known: Sysctls): Promise<Sysctls> {
  const found: Record<string, string> = {};
  for (const [name, changed] of Object.entries(CHANGED)) {
    const now = await read(name);
    found[name] = now === changed ? (known[name] ?? now) : now;
  }
  return found;
}

/** What somebody else set since then stays as it is. */
export async function restoreSysctls(settings: Sysctls): Promise<void> {
  for (const [name, changed] of Object.entries(CHANGED)) {
    const before = settings[name];
    if (before === undefined || before === changed || (await read(name)) !== changed) continue;
    await writeFile(join("/proc/sys", name), before);
  }
}

async function read(name: string): Promise<string> {
  return (await readFile(join("/proc/sys", name), "utf8")).trim();
}
