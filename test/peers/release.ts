import { debianVersion } from "./debian.ts";
import { type Peer, programOf } from "./program.ts";

/** The version of a peer as its own project writes it. Debian's testing has only the newest: there, what was got. */
export async function releaseOf(peer: Peer): Promise<string> {
  const program = await programOf(peer);
  if (!peer.version.startsWith("testing")) return peer.version.replace(/^v/, "");
  return debianVersion(peer.name, program.slice(0, -peer.program.length));
}
