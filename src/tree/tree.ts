import type { Call } from "../base/index.ts";
import type { Entry } from "../tar/index.ts";

/**
 * The entries of a volume, in tree order: within a folder by the UTF-8 bytes of the name, where a folder
 * compares as `name/`, and a folder before what is in it. The root itself is not an entry. Callable again; it
 * then yields the same entries, or fails.
 */
export type Tree = (call: Call) => AsyncIterable<Entry>;
