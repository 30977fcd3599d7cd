export { type CopyOptions, type CopyResult, copy } from "./copy.ts";
export { CopyError } from "./copy-sides.ts";
export { openLayout } from "./layout.ts";
export type { Incoming, Medium } from "./medium.ts";
export { memoryMedium, memoryStore } from "./memory.ts";
export {
  type ResolvedManifest,
  readConfig,
  readManifest,
  resolveManifest,
} from "./read-manifest.ts";
export { readSmall } from "./read-small.ts";
export { verified } from "./verified.ts";
