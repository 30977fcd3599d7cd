import { unpackDebian } from "./debian.ts";
import type { Peer } from "./program.ts";

export const pigz: Peer = {
  name: "pigz",
  version: "testing",
  fetch: (into) => unpackDebian(["pigz"], into),
  program: "usr/bin/pigz",
};
