import { ImgvolError } from "../base/index.ts";

export type TreeCode =
  /** A file name that is not UTF-8: a volume image cannot carry it. */
  | "name-invalid"
  /** Two sources, or two kinds of entry, for one path. */
  | "path-conflict"
  /** Following symbolic links leads back to where it came from. */
  | "symlink-loop"
  /** An ignore file's line that cannot be understood. */
  | "ignore-invalid"
  /** A tar archive whose names lead out of the root, or through a link. */
  | "tar-unsafe"
  /** A layer that no runtime could unpack. */
  | "layer-invalid"
  /** More entries than imgvol is willing to hold. */
  | "too-many-entries"
  /** No such path in the volume. */
  | "path-missing";

/** Errors about the entries of folders, archives and layers. */
export class TreeError extends ImgvolError<TreeCode> {}
