import { unpackDebian } from "./debian.ts";
import type { Peer } from "./program.ts";

export const oras: Peer = {
  name: "oras",
  version: "testing",
  fetch: (into) => unpackDebian(["oras"], into),
  program: "usr/bin/oras",
};
