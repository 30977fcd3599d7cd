// The registry of a cluster, as a program of its own on the node. Its log is its access log: what was pulled, and by whom.
import { quietCall } from "../base/index.ts";
import { startRegistry } from "../serve/index.ts";
import { clusterFolder, readState } from "./state.ts";
import { portOf } from "./state-format.ts";

const { IMGVOL_CLUSTER_NAME: name = "", IMGVOL_CLUSTERS: clusters } = process.env;
const folder = clusterFolder(name, clusters);
const state = await readState(folder);
await startRegistry(
  {
    // On every address of the node: this machine comes in by the link, and says `localhost`.
    host: "0.0.0.0",
    port: state === undefined ? 0 : portOf(state, "registry").node,
    dir: folder.registry,
    ...(state?.htpasswd === undefined ? {} : { htpasswd: state.htpasswd }),
    accessLog: (line) => process.stdout.write(`${line}\n`),
    say: (sentence) => process.stderr.write(`${sentence}\n`),
  },
  quietCall(),
);
