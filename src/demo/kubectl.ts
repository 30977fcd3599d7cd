import { dirname, join } from "node:path";
import { type Call, type Ran, runProgram } from "../base/index.ts";
import type { NativeCluster } from "../native/index.ts";
import { commandLine } from "./command-line.ts";
import { DemoError } from "./errors.ts";
import type { DemoEvents } from "./events.ts";
import { pullFailed } from "./pull-failure.ts";

/** How long a workload may take to be available, in seconds: a JVM with an agent, on a busy machine. */
const PATIENCE = 300;

/** What the demo does with a cluster: each is the command that a user would type, and that is shown. */
export class Kubectl {
  readonly #cluster: NativeCluster;
  readonly #on: DemoEvents;

  constructor(cluster: NativeCluster, on: DemoEvents) {
    this.#cluster = cluster;
    this.#on = on;
  }

  /** Runs it with these words. @throws DemoError `app-failed` */
  async done(words: readonly string[], call: Call): Promise<void> {
    this.#on.command(commandLine(["kubectl", ...words]));
    const { code, stderr } = await this.#run(words, call);
    if (code !== 0) throw new DemoError("app-failed", `kubectl ${words.join(" ")}: ${stderr.trim()}`);
  }

  /**
   * Waits until a Deployment is available, or one of its images cannot be had.
   *
   * @throws DemoError `app-failed`, with what the pod and its events say
   */
  async rolledOut(namespace: string, deployment: string, call: Call): Promise<void> {
    const words = [
      "-n",
      namespace,
      "rollout",
      "status",
      `deployment/${deployment}`,
      `--timeout=${PATIENCE}s`,
    ];
    this.#on.command(commandLine(["kubectl", ...words]));
    const { code, why } = await this.#unlessPullFails(namespace, words, call);
    if (code === 0) return;
    for (const question of [
      ["-n", namespace, "get", "events", "--sort-by=.lastTimestamp"],
      ["-n", namespace, "logs", `deployment/${deployment}`, "--tail=20"],
    ]) {
      const { stdout } = await this.#run(question, call);
      for (const line of stdout.trimEnd().split("\n").slice(-20)) this.#on.output(line);
    }
    throw new DemoError("app-failed", `${deployment} did not become available: ${why}`);
  }

  /** The last lines of a Deployment's log. */
  async logs(namespace: string, deployment: string, call: Call): Promise<readonly string[]> {
    const { stdout } = await this.#run(
      ["-n", namespace, "logs", `deployment/${deployment}`, "--tail=40"],
      call,
    );
    return stdout.trimEnd().split("\n");
  }

  /** Runs kubectl, which would wait as long for an image that there is not. */
  async #unlessPullFails(
    namespace: string,
    words: readonly string[],
    call: Call,
  ): Promise<{ readonly code?: number; readonly why: string }> {
    const over = new AbortController();
    const both = { ...call, signal: AbortSignal.any([call.signal, over.signal]) };
    const pods = async (): Promise<unknown> => {
      const { code, stdout } = await this.#run(["-n", namespace, "get", "pods", "-o", "json"], both);
      return code === 0 ? JSON.parse(stdout) : {};
    };
    const waited = this.#run(words, both).then(({ code, stderr }) => ({ code, why: stderr.trim() }));
    const failed = pullFailed(pods, both).then((why) => ({ why }));
    try {
      return await Promise.race([waited, failed]);
    } finally {
      over.abort();
      await Promise.allSettled([waited, failed]);
    }
  }

  async #run(words: readonly string[], call: Call): Promise<Ran> {
    const { kubectl, kubeconfig } = this.#cluster;
    // What it learns of an API server that goes with its cluster goes with it too.
    const cache = join(dirname(kubeconfig), "kubectl-cache");
    const place = ["--kubeconfig", kubeconfig, "--cache-dir", cache];
    return await runProgram(kubectl, [...place, ...words], {}, call);
  }
}
