import { readdir, readFile } from "node:fs/promises";

/** The processes that carry a cluster's mark and whose command line `is` wants. Those that end while one looks are passed over. */
export async function processesOf(id: string, is: (words: readonly string[]) => boolean): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const [environment, command] = await Promise.all(
      ["environ", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")),
    );
    if (environment?.includes(`IMGVOL_CLUSTER=${id}`) && is(command?.split("\0") ?? []))
      found.push(Number(pid));
  }
  return found;
}
