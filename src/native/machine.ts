import { findProgram } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";

/** The system's own programs that make namespaces and links. */
const SYSTEM = ["ip", "mount", "setpriv", "sh", "unshare", "hostname"] as const;

/**
 * Whether this machine can have a native cluster.
 *
 * @param otherwise what can be done where it cannot
 * @throws ClusterError `not-supported`, `not-root`, `program-missing`
 */
export async function checkMachine(otherwise: string): Promise<void> {
  if (process.platform !== "linux") {
    throw new ClusterError("not-supported", `a native cluster needs Linux, not ${process.platform}`, {
      hint: otherwise,
      wrongUse: true,
    });
  }
  if (process.geteuid?.() !== 0) {
    throw new ClusterError("not-root", "a native cluster needs root: it makes namespaces, mounts and links", {
      hint: `run it as root; or ${otherwise}`,
      wrongUse: true,
    });
  }
  for (const program of SYSTEM) {
    if ((await findProgram(program)) !== undefined) continue;
    throw new ClusterError("program-missing", `${program} is not on the PATH`, {
      hint: "install util-linux, iproute2 and hostname",
    });
  }
}
