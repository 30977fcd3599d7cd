import type { BinariesOptions } from "../binaries/index.ts";
import type { UpOptions } from "../cluster/index.ts";

/** What a native cluster is to be, and where its programs are. */
export interface NativeOptions extends UpOptions, BinariesOptions {}
