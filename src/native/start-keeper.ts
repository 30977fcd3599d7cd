import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Call, messageOf } from "../base/index.ts";
import { ClusterError } from "../cluster/index.ts";
import type { Told } from "./keeper.ts";
import { MARK } from "./processes.ts";
import type { ClusterFolder } from "./state.ts";
import type { ClusterState } from "./state-format.ts";

/**
 * Starts the process that the cluster hangs on, and waits until all is up. It ends itself when this process goes away before.
 *
 * @throws ClusterError `cluster-failed`
 */
export async function startKeeper(
  folder: ClusterFolder,
  state: ClusterState,
  clusters: string,
  call: Call,
): Promise<void> {
  const task = call.progress?.start(`start cluster ${state.name}`);
  const keeper = fork(fileURLToPath(new URL("./keeper.ts", import.meta.url)), [], {
    detached: true,
    // Not the caller's: what is in it may be secret, and would be seen by every program of the cluster.
    env: {
      PATH: process.env["PATH"],
      HOME: folder.path,
      [MARK]: state.id,
      IMGVOL_CLUSTER_NAME: state.name,
      IMGVOL_CLUSTERS: clusters,
    },
    // The caller's folder must not be held by a cluster.
    cwd: "/",
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const heard = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void =>
        reject(
          new ClusterError("cluster-failed", `the cluster ${state.name} did not come up: ${why}`, {
            hint: `what its programs said is in ${folder.lastLogs}; imgvol cluster down --name ${state.name} removes that`,
          }),
        );
      keeper.on("message", (told: Told) => {
        if ("failed" in told) fail(told.failed);
        else if (told.step === "ready") resolve();
        else call.progress?.say(told.step);
      });
      keeper.once("error", (error) => fail(messageOf(error)));
      keeper.once("exit", (code, signal) => fail(`its keeper ended with ${signal ?? code}`));
      const abort = (): void => reject(call.signal.reason);
      call.signal.addEventListener("abort", abort, { signal: heard.signal });
      if (call.signal.aborted) abort();
    });
    task?.done("ready");
  } catch (error) {
    task?.failed();
    throw error;
  } finally {
    heard.abort();
    keeper.removeAllListeners();
    // Without a listener, an error of a keeper that was let go would be this process's end.
    keeper.on("error", () => {});
    if (keeper.connected) keeper.disconnect();
    keeper.unref();
  }
}
