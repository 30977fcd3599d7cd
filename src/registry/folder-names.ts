import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, errno, exists } from "../base/index.ts";
import { isRepository } from "../oci/index.ts";

/**
 * The repositories below a folder that have a file, in no order. One that is going away meanwhile is left out.
 * @param file below a repository's home
 */
export async function* namesBelow(
  folder: string,
  file: string,
  call: Call,
  prefix = "",
): AsyncIterable<string> {
  call.signal.throwIfAborted();
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw error;
  });
  for (const entry of entries) {
    const name = `${prefix}${entry.name}`;
    // Ours begin with `_`; others' are not ours to look into, such as the `lost+found` of a disk.
    if (!entry.isDirectory() || !isRepository(name)) continue;
    const home = join(folder, entry.name);
    if (await exists(join(home, file))) yield name;
    yield* namesBelow(home, file, call, `${name}/`);
  }
}
