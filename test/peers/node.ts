import { join } from "node:path";
import { type Peer, run } from "./program.ts";

/** A release of Node.js, from the package of it that npm carries (Linux on amd64 or arm64). */
export function nodeRelease(version: string): Peer {
  const name = `node-linux-${process.arch}`;
  return {
    name: "node",
    version,
    async fetch(into) {
      // Not installed: the package's only script-free part is the program itself.
      await run("npm", ["pack", "--silent", "--pack-destination", into, `${name}@${version}`]);
      await run("tar", ["-xzf", join(into, `${name}-${version}.tgz`), "-C", into, "package/bin/node"]);
    },
    program: "package/bin/node",
  };
}
