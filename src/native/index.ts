export { nativeDown } from "./down.ts";
export { checkMachine } from "./machine.ts";
export type { NativeOptions } from "./options.ts";
export { nativeHas } from "./state.ts";
export { type NativeStatus, nativeStatus } from "./status.ts";
export { type NativeCluster, nativeUp } from "./up.ts";
