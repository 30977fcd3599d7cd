export { type BinariesOptions, findBinaries } from "./binaries.ts";
export { clusterDown, type DownOptions } from "./down.ts";
export { type ClusterCode, ClusterError } from "./errors.ts";
export { findProgram, type Ran, type RunOptions, runProgram } from "./program.ts";
export { type ClusterStatus, clusterStatus } from "./status.ts";
export { type Cluster, clusterUp, type UpOptions } from "./up.ts";
