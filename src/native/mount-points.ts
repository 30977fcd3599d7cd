import { mkdir, rmdir } from "node:fs/promises";
import { errno, exists } from "../base/index.ts";

/** Mounted over with file systems of the node's own, so that nothing of it is written to the machine's. */
export const OWN_FOLDERS: readonly string[] = [
  "/run",
  "/var/log",
  "/var/lib/kubelet",
  "/etc/cni",
  "/opt/cni",
];

/** Those of them that are not there on a machine without Kubernetes. */
const MOUNT_POINTS = ["/var/lib/kubelet", "/etc/cni", "/opt/cni"] as const;

/** Those that have to be made. */
export async function missingMountPoints(): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const path of MOUNT_POINTS) if (!(await exists(path))) missing.push(path);
  return missing;
}

export async function makeMountPoints(): Promise<void> {
  for (const path of MOUNT_POINTS) {
    await mkdir(path, { mode: 0o755 }).catch((error: unknown) => {
      if (errno(error) !== "EEXIST") throw error;
    });
  }
}

/** Takes away the folders that were made for mounts, where nothing was put into them. */
export async function removeMountPoints(folders: readonly string[]): Promise<void> {
  for (const path of MOUNT_POINTS.filter((known) => folders.includes(known))) {
    await rmdir(path).catch((error: unknown) => {
      if (errno(error) !== "ENOENT" && errno(error) !== "ENOTEMPTY") throw error;
    });
  }
}
