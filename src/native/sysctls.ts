import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Settings of the whole machine that the kubelet sets, and to what; no namespace has its own.
 * https://github.com/kubernetes/component-helpers/blob/master/node/util/sysctl/sysctl.go
 */
const CHANGED: Readonly<Record<string, string>> = {
  "vm/overcommit_memory": "1",
  "vm/panic_on_oom": "0",
  "kernel/panic": "10",
  "kernel/panic_on_oops": "1",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/keys/root_maxbytes": "25000000",
};

export async function readSysctls(): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const name of Object.keys(CHANGED)) found[name] = await read(name);
  return found;
}

/** What somebody else set since then stays as it is. */
export async function restoreSysctls(settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, changed] of Object.entries(CHANGED)) {
    const before = settings[name];
    if (before === undefined || before === changed || (await read(name)) !== changed) continue;
    await writeFile(join("/proc/sys", name), before);
  }
}

async function read(name: string): Promise<string> {
  return (await readFile(join("/proc/sys", name), "utf8")).trim();
}
