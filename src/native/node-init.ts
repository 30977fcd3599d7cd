// The first program of a cluster's own namespaces: it makes the node and keeps its parts running. Told by its environment
// which cluster it is; tells on stdout, a JSON object a line, how far it is.
import { Socket } from "node:net";
import { messageOf } from "../base/index.ts";
import { startNode } from "./node.ts";
import { clusterFolder, readState } from "./state.ts";

const { IMGVOL_CLUSTER_NAME: name = "", IMGVOL_CLUSTERS: clusters } = process.env;
const tell = (line: Readonly<Record<string, unknown>>): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
// The keeper holds the other end: without it there is no cluster.
new Socket({ fd: 3 }).on("close", () => process.exit(1)).resume();
try {
  const folder = clusterFolder(name, clusters);
  const state = await readState(folder);
  if (state === undefined) throw new Error(`there is no state in ${folder.path}`);
  await startNode(folder, state, (step) => tell({ step }));
} catch (error) {
  // For the log as well: when the cluster was up, nobody listens any more.
  process.stderr.write(`${new Date().toISOString()} ${messageOf(error)}\n`);
  tell({ failed: messageOf(error) });
  process.exitCode = 1;
  process.stdout.write("", () => process.exit());
}
