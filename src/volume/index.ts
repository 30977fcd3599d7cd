export { type VolumeCode, VolumeError } from "./errors.ts";
export { type Choice, chooseLauncher, run } from "./launch.ts";
export type { Command, Exit, Launcher, Output, Probe, View } from "./view.ts";
