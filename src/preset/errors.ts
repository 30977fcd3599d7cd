import { ImgvolError } from "../base/index.ts";

export type PresetCode =
  /** `-p` or `preset:` with something that is not NAME[@VERSION][=REF]. */
  | "preset-request-invalid"
  | "preset-unknown"
  /** The volume holds none of the files that the preset looks for. */
  | "layout-unknown"
  /** A preset's data file that does not say what a preset must. */
  | "preset-invalid";

/** Errors about presets: their names, their data, and the volumes they are asked to switch on. */
export class PresetError extends ImgvolError<PresetCode> {}
