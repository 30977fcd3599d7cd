export type { MirrorFigures } from "./figures.ts";
export { type Mirror, type MirrorOptions, openMirror } from "./mirror.ts";
