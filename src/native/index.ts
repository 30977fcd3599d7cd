export { nativeDown } from "./down.ts";
export { checkMachine } from "./machine.ts";
export type { NativeCluster } from "./native-cluster.ts";
export type { NativeOptions } from "./options.ts";
export { nativeHas } from "./state.ts";
export { type NativeStatus, nativeStatus } from "./status.ts";
export { nativeUp } from "./up.ts";
