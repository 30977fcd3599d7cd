import { join } from "node:path";

/**
 * Where the cluster's programs come from: `IMGVOL_TEST_BIN` where it is set, else the cache, built where they are missing: that of
 * the environment, or one in the ignored folder, beside the other peers.
 */
export const programs: { readonly bin?: string; readonly cache: string } = {
  ...(process.env["IMGVOL_TEST_BIN"] ? { bin: process.env["IMGVOL_TEST_BIN"] } : {}),
  cache: process.env["IMGVOL_CACHE"] || join(import.meta.dirname, "../../.cache/imgvol"),
};
