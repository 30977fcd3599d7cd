import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Settings of the whole machine that the kubelet sets; no namespace has its own. */
const CHANGED = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"] as const;

export async function readSysctls(): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const name of CHANGED) found[name] = (await readFile(join("/proc/sys", name), "utf8")).trim();
  return found;
}

export async function restoreSysctls(settings: Readonly<Record<string, string>>): Promise<void> {
  for (const name of CHANGED) {
    const value = settings[name];
    if (value !== undefined) await writeFile(join("/proc/sys", name), value);
  }
}
