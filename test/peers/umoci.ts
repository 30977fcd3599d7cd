import { unpackDebian } from "./debian.ts";
import type { Peer } from "./program.ts";

export const umoci: Peer = {
  name: "umoci",
  version: "testing",
  fetch: (into) => unpackDebian(["umoci"], into),
  program: "usr/bin/umoci",
};
