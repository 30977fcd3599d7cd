import { readFile } from "node:fs/promises";
import { uptime } from "node:os";

/**
 * A word that changes when the machine starts anew. Written files are safe from anything but a power cut, so what was unpacked
 * in an earlier boot is checked once before it is used: far cheaper than forcing each of thousands of files to the disk.
 */
export async function bootId(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    // Rounded, as clocks are corrected; a wrong guess costs one check more.
    return `since-${Math.round((Date.now() / 1000 - uptime()) / 600)}`;
  }
}
