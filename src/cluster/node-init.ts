// The first program of a cluster's own namespaces: it makes the node and keeps its parts running. Told by its environment
// which cluster it is; tells on stdout, a JSON object a line, how far it is.

import { startNode } from "./node.ts";
import { clusterFolder, readState } from "./state.ts";

const { IMGVOL_CLUSTER_NAME: name = "", IMGVOL_CLUSTERS: clusters } = process.env;
const tell = (line: Readonly<Record<string, unknown>>): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
const folder = clusterFolder(name, clusters);
const state = await readState(folder);
if (state === undefined) throw new Error(`there is no state in ${folder.path}`);
try {
  await startNode(folder, state, (step) => tell({ step }));
} catch (error) {
  tell({ failed: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
