export { type CopyOptions, type CopyResult, copy } from "./copy.ts";
export { type OpenOptions, openStore } from "./open.ts";
export { CopyError } from "./sides.ts";
