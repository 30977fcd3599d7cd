import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errno, exists } from "../base/index.ts";

/** The repositories below a folder, in no order. One that is going away meanwhile is left out. */
export async function namesBelow(folder: string, prefix: string): Promise<string[]> {
  const names: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name.startsWith("_")) continue;
    const name = `${prefix}${entry.name}`;
    if (await exists(join(folder, entry.name, "_layout", "oci-layout"))) names.push(name);
    names.push(...(await namesBelow(join(folder, entry.name), `${name}/`)));
  }
  return names;
}
