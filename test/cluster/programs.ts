import { defaultCacheFolder } from "../../src/volume/index.ts";

/** Where the cluster's programs come from: `IMGVOL_TEST_BIN` where it is set, else the cache, built where they are missing. */
export const programs: { readonly bin?: string; readonly cache: string } = {
  ...(process.env["IMGVOL_TEST_BIN"] ? { bin: process.env["IMGVOL_TEST_BIN"] } : {}),
  cache: defaultCacheFolder(),
};
