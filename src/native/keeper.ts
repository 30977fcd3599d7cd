// The process that a cluster hangs on: outside of its namespaces it makes them, joins them with this machine, and leads
// ports of loopback to the node. It ends the cluster when it is told to, or when the cluster ends.
import { spawn, spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { messageOf, quietCall } from "../base/index.ts";
import { addressesOf, linkNames } from "./addresses.ts";
import { until } from "./api.ts";
import { leadPort } from "./lead-port.ts";
import { clusterFolder, readState } from "./state.ts";

/** What is told to whoever started the cluster. */
export type Told = { readonly step: string } | { readonly failed: string };

const { IMGVOL_CLUSTER_NAME: name = "", IMGVOL_CLUSTERS: clusters } = process.env;
const folder = clusterFolder(name, clusters);
let ready = false;

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}

// The one who waits went away before all was up: nobody wants this cluster.
process.on("disconnect", () => {
  if (!ready) process.exit(1);
});
process.on("SIGTERM", () => process.exit(0));

try {
  await keep();
} catch (error) {
  tell({ failed: messageOf(error) });
  process.exit(1);
}

async function keep(): Promise<void> {
  const state = await readState(folder);
  if (state === undefined) throw new Error(`there is no state in ${folder.path}`);
  const { node, host } = addressesOf(state.network);
  for (const { host: port, node: to } of state.ports) await leadPort(port, { host: node, port: to });

  // The kernel ends the shell, and with it the whole namespace, when this process is gone. As the first process there, it
  // takes what orphans leave.
  const child = spawn(
    "setpriv",
    [
      ...["--pdeathsig", "KILL", "unshare"],
      ...["--net", "--mount", "--propagation", "private", "--pid", "--uts", "--ipc"],
      ...["--fork", "--kill-child", "--mount-proc"],
      ...["sh", "-c", '"$@" & wait $!', "imgvol", process.execPath],
      fileURLToPath(new URL("./node-init.ts", import.meta.url)),
    ],
    // The last is held by this process alone: should it end before setpriv asks for the signal, the node sees this end.
    { cwd: "/", stdio: ["ignore", "pipe", openSync(join(folder.logs, "node.log"), "a", 0o600), "pipe"] },
  );
  child.once("exit", () => {
    tell({ failed: "the cluster's namespaces ended" });
    process.exit(1);
  });
  child.once("error", (error) => {
    tell({ failed: error.message });
    process.exit(1);
  });
  const { stdout } = child;
  if (stdout === null) throw new Error("setpriv could not be started");
  createInterface({ input: stdout }).on("line", (line) => {
    const told: Told = JSON.parse(line);
    if ("step" in told && told.step === "ready") ready = true;
    tell(told);
    if (ready && process.connected) process.disconnect();
  });

  const init = await until(() => firstChild(child.pid ?? 0), quietCall(AbortSignal.timeout(30_000)), 10);
  const link = linkNames(state);
  ip("link", "add", link.host, "type", "veth", "peer", "name", link.node, "netns", String(init));
  ip("address", "add", `${host}/24`, "dev", link.host);
  ip("link", "set", link.host, "up");
}

/** unshare's child, once it is in namespaces of its own. */
async function firstChild(unshare: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${unshare}/task/${unshare}/children`, "utf8").catch(() => "");
  const pid = Number(text.trim().split(" ")[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

function ip(...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
