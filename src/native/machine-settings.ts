import { readFile, rm } from "node:fs/promises";
import { replaceFile } from "../base/index.ts";
import { missingMountPoints, removeMountPoints } from "./mount-points.ts";
import { restoreSysctls, type Sysctls, sysctlsBefore } from "./sysctls.ts";

/** What native clusters change of the machine, as it was before them: the machine's, whatever becomes of a cluster's folder. */
interface MachineSettings {
  readonly sysctls: Sysctls;
  /** Empty folders that were made on the machine, for what is mounted over them. */
  readonly folders: readonly string[];
}

/** Beside the links of `machine-clusters.ts`; gone when the machine was restarted, as are the settings. */
const FILE = "/run/imgvol.json";

/** Writes down what the next cluster is going to change. While the machine's lock is held. */
export async function keepSettings(): Promise<void> {
  const { sysctls, folders } = await kept();
  const settings: MachineSettings = {
    sysctls: await sysctlsBefore(sysctls),
    folders: [...new Set([...folders, ...(await missingMountPoints())])],
  };
  await replaceFile(FILE, Buffer.from(`${JSON.stringify(settings)}\n`), 0o600);
}

/** Puts all of it back. While the machine's lock is held, by the last cluster that goes. */
export async function restoreSettings(): Promise<void> {
  const { sysctls, folders } = await kept();
  await restoreSysctls(sysctls);
  await removeMountPoints(folders);
  await rm(FILE, { force: true });
}

async function kept(): Promise<MachineSettings> {
  const nothing = { sysctls: {}, folders: [] };
  try {
    return { ...nothing, ...JSON.parse(await readFile(FILE, "utf8")) };
  } catch {
    return nothing;
  }
}
