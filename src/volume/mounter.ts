import type { Call } from "../base/index.ts";
import type { MountRecord } from "./mount-record.ts";
import type { Probe } from "./view.ts";

/** A way to show a volume at a folder to the whole machine. */
export interface Mounter {
  readonly name: string;
  probe(call: Call): Promise<Probe>;
  isMounted(record: MountRecord, call: Call): Promise<boolean>;
  /** Shows `record.source` at `record.at`, an empty folder. @throws VolumeError `mount-failed` */
  mount(record: MountRecord, call: Call): Promise<void>;
  /** Also of what is there only in part, or not at all. @throws VolumeError `mount-path-busy`, `mount-failed` */
  unmount(record: MountRecord, call: Call): Promise<void>;
}
