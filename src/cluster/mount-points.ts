import { mkdir, rmdir } from "node:fs/promises";
import { errno, exists } from "../base/index.ts";

/** Where the node mounts its own file systems; on a machine without Kubernetes these are not there. */
const MOUNT_POINTS = ["/var/lib/kubelet", "/etc/cni", "/opt/cni"] as const;

/** Those of them that have to be made. */
export async function missingMountPoints(): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const path of MOUNT_POINTS) if (!(await exists(path))) missing.push(path);
  return missing;
}

export async function makeMountPoints(folders: readonly string[]): Promise<void> {
  for (const path of folders) {
    await mkdir(path, { mode: 0o755 }).catch((error: unknown) => {
      if (errno(error) !== "EEXIST") throw error;
    });
  }
}

/** Takes away the folders that were made for mounts, where nothing was put into them. */
export async function removeMountPoints(folders: readonly string[]): Promise<void> {
  for (const path of folders) {
    await rmdir(path).catch((error: unknown) => {
      if (errno(error) !== "ENOENT" && errno(error) !== "ENOTEMPTY") throw error;
    });
  }
}
