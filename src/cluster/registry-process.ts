// The registry of a cluster, as a program of its own on the node.
import { quietCall } from "../base/index.ts";
import { startRegistry } from "../registry/index.ts";
import { clusterFolder, readState } from "./state.ts";

const { IMGVOL_CLUSTER_NAME: name = "", IMGVOL_CLUSTERS: clusters } = process.env;
const folder = clusterFolder(name, clusters);
const port = (await readState(folder))?.ports.find((p) => p.what === "registry")?.node ?? 0;
// On every address of the node: this machine comes in by the link, and says `localhost`.
await startRegistry({ host: "0.0.0.0", port, dir: folder.registry }, quietCall());
