export {
  type Cache,
  type CachedVolume,
  openCache,
  type VerifiedVolume,
  type VolumeOptions,
} from "./cache.ts";
export { defaultCacheFolder } from "./cache-folder.ts";
export type { ListedVolume, Pruned, PruneOptions } from "./cache-prune.ts";
export { type VolumeCode, VolumeError } from "./errors.ts";
export { type Exported, type ExportOptions, exportTo } from "./export.ts";
export { type Choice, chooseLauncher, run } from "./launch.ts";
export { UNPACK_LIMITS, type UnpackLimits } from "./limits.ts";
export { checkMountPoint, mount, unmount } from "./mount.ts";
export type { MountRecord } from "./mount-record.ts";
export type { Mounter } from "./mounter.ts";
export { type RunVolumesOptions, runVolumes, type VolumeMount } from "./run-volumes.ts";
export { resolveSubPath } from "./sub-path.ts";
export type { Command, Exit, Launcher, Output, Probe, View } from "./view.ts";
export { type VolumeImage, volumeImage } from "./volume-image.ts";
export type { VolumeRecord } from "./volume-record.ts";
