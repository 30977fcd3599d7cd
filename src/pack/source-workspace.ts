import { join } from "node:path";
import { asFolderError, makeFolder, sweep, workFolder } from "../base/index.ts";

const swept = new Set<string>();

/**
 * A new, private folder below the cache; what a killed process left behind there is removed, once a process.
 * @throws BaseError `folder-unwritable`
 */
export async function workspace(cache: string): Promise<{ readonly path: string } & AsyncDisposable> {
  const tmp = join(cache, "work");
  await makeFolder(tmp, 0o700).catch((error: unknown) => {
    throw asFolderError(error, tmp, "set IMGVOL_CACHE to a folder that you can write to");
  });
  if (!swept.has(tmp)) await sweep({ tmp });
  swept.add(tmp);
  return await workFolder({ tmp });
}
