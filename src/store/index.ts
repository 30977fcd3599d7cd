export { openArchive } from "./archive.ts";
export { archiveCorner } from "./archive-changes.ts";
export { openLayout } from "./layout.ts";
export { sweepLayout } from "./layout-writers.ts";
export type { Incoming, Medium } from "./medium.ts";
export { type MemoryMedium, memoryMedium, memoryStore } from "./memory.ts";
export {
  INDEX_DEPTH,
  type ResolvedManifest,
  readConfig,
  readManifest,
  resolveManifest,
} from "./read-manifest.ts";
export { readSmall } from "./read-small.ts";
export { damagedHint, readUnverified, verified } from "./verified.ts";
export { wantedIn } from "./wanted.ts";
