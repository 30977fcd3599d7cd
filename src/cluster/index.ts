export { shellEnvironment } from "./environment.ts";
export { type ClusterCode, ClusterError } from "./errors.ts";
export { folderOf, listClusters, stateFolder } from "./folders.ts";
export { freePort, type TakenPorts } from "./free-port.ts";
export { KUBERNETES, MINOR } from "./kubernetes.ts";
export { lockClusters } from "./lock.ts";
export type { ClusterOptions, UpOptions } from "./options.ts";
export { type Published, tellOthers } from "./published.ts";
export { type Condition, type StatusOptions, saidTo } from "./status.ts";
