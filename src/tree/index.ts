export { type TreeCode, TreeError } from "./errors.ts";
export { type FolderOptions, fileTree, folderTree } from "./folder.ts";
export { IGNORE_FILE, type Ignore, parseIgnore } from "./ignore.ts";
export type { MetadataOptions } from "./metadata.ts";
export { compareUtf8 } from "./order.ts";
export type { Tree } from "./tree.ts";
export type { Tell } from "./warn.ts";
