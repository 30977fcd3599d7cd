export { type Binaries, type BinariesOptions, findBinaries } from "./find.ts";
export { builds, CONTAINERD, programsOf } from "./versions.ts";
