import { ClusterError } from "../cluster/index.ts";

/** What of a cluster's folder is a socket, and has the longest path: the kubelet's for those that ask for pods' devices. */
const SOCKET = "/node/kubelet/pod-resources/kubelet.sock";
/** unix(7): sun_path has 108 bytes, with the NUL at its end. */
const LONGEST = 107 - SOCKET.length;

/**
 * Whether a cluster can be kept there: some of the node's programs take a path apart at spaces, others at what mount options have
 * between them, and sockets are below it.
 *
 * @throws ClusterError `path-unusable`
 */
export function checkPath(folder: string): void {
  const hint = "keep clusters in another place: XDG_STATE_HOME names it";
  const odd = /[^\w./@%+~-]/.exec(folder)?.[0];
  if (odd !== undefined) {
    throw new ClusterError("path-unusable", `${folder} has ${JSON.stringify(odd)} in it`, {
      hint: `${hint}, of letters, digits and . _ - @ % + ~ alone`,
      wrongUse: true,
    });
  }
  if (Buffer.byteLength(folder) > LONGEST) {
    throw new ClusterError("path-unusable", `${folder} is too long for sockets: over ${LONGEST} bytes`, {
      hint: `${hint}; or take a shorter --name`,
      wrongUse: true,
    });
  }
}
