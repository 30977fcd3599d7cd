import { unpackDebian } from "./debian.ts";
import type { Peer } from "./program.ts";

export const crane: Peer = {
  name: "crane",
  version: "testing",
  fetch: (into) => unpackDebian(["crane"], into),
  program: "usr/bin/crane",
};
