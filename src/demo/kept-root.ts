import { createHash } from "node:crypto";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { type Call, exists, lock, makeFolder, sweep, workFolder } from "../base/index.ts";

/**
 * A root folder that takes long to make, kept in the cache: made once for each `identity`, whole or not at all.
 *
 * @param identity what it is made of, as exactly as matters
 */
export async function keptRoot(
  cache: string,
  name: string,
  identity: readonly string[],
  make: (root: string) => Promise<void>,
  call: Call,
): Promise<string> {
  const key = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 16);
  const folder = join(cache, "roots");
  const path = join(folder, `${name}-${key}`);
  await makeFolder(folder, 0o700);
  await using _held = await lock(`${path}.lock`, "exclusive", call);
  if (await exists(path)) return path;
  await sweep({ tmp: folder });
  await using work = await workFolder({ tmp: folder });
  const root = join(work.path, "root");
  await makeFolder(root);
  await make(root);
  await rename(root, path);
  return path;
}
