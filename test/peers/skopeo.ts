import { loaderScript, unpackDebian } from "./debian.ts";
import type { Peer } from "./program.ts";

export const skopeo: Peer = {
  name: "skopeo",
  version: "testing",
  async fetch(into) {
    await unpackDebian(["skopeo"], into, { closure: "all" });
    await loaderScript("skopeo", into);
  },
  program: "bin/skopeo",
};
