export { type Difference, diff } from "./diff.ts";
export { type PackCode, PackError, StrictRefused } from "./errors.ts";
export { type ImageSpec, PLATFORMS, writeImage } from "./image.ts";
export {
  type InspectedLayer,
  type InspectedPlatform,
  type InspectedReferrer,
  type Inspection,
  inspect,
} from "./inspect.ts";
export { cat, exportTar, type Listed, type LookOptions, ls } from "./look.ts";
export { FORMAT_ANNOTATION, type Packed, type PackOptions, pack } from "./pack.ts";
export { type SourceCode, SourceError } from "./source-errors.ts";
export { fetchNpmPackages, type NpmOptions } from "./source-npm.ts";
export { type PresetSource, type PresetSourceOptions, presetSource } from "./source-preset.ts";
export { type Source, sourcesTree } from "./sources.ts";
