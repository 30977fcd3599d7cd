import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Call, quietCall, ResourceStack, runProgram, temporaryFolder } from "../../src/base/index.ts";
import { type NativeCluster, type NativeOptions, nativeDown, nativeUp } from "../../src/native/index.ts";
import { programs } from "./programs.ts";

const call: Call = quietCall();

/** A cluster of a test file's own, and how its tests speak with it. */
export class TestCluster implements AsyncDisposable {
  readonly cluster: NativeCluster;
  readonly #held: ResourceStack;

  private constructor(cluster: NativeCluster, held: ResourceStack) {
    this.cluster = cluster;
    this.#held = held;
  }

  static async start(how: Partial<NativeOptions> = {}): Promise<TestCluster> {
    const held = new ResourceStack();
    const { path: clusters } = held.keep(await temporaryFolder(tmpdir(), "imgvol-cluster-"));
    const cluster = await nativeUp({ ...programs, clusters, apiPort: 0, registryPort: 0, ...how }, call);
    held.keep({
      [Symbol.asyncDispose]: async () => void (await nativeDown({ clusters, name: cluster.name }, call)),
    });
    return new TestCluster(cluster, held);
  }

  /** Runs kubectl. @returns its stdout @throws where it fails */
  async kubectl(words: readonly string[], input = ""): Promise<string> {
    const { kubectl, kubeconfig } = this.cluster;
    // What it learns of an API server goes with the cluster: another may have its port next.
    const cache = join(dirname(kubeconfig), "kubectl-cache");
    const place = ["--kubeconfig", kubeconfig, "--cache-dir", cache];
    const ran = await runProgram(kubectl, [...place, ...words], { input }, call);
    if (ran.code !== 0) throw new Error(`kubectl ${words.join(" ")} ended with ${ran.code}: ${ran.stderr}`);
    return ran.stdout;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectl(
      ["apply", "-f", "-"],
      JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
    );
  }

  async get<T>(...words: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl(["get", ...words, "-o", "json"]));
  }

  /** Asks until `found` is content. @throws with what was last there, after five minutes: on a busy machine a JVM takes one */
  async until<T>(what: string, ask: () => Promise<T>, found: (value: T) => boolean): Promise<T> {
    for (const began = performance.now(); ; ) {
      const value = await ask();
      if (found(value)) return value;
      if (performance.now() - began > 300_000) {
        throw new Error(`no ${what} after five minutes; there is ${JSON.stringify(value).slice(0, 4000)}`);
      }
      await sleep(200);
    }
  }

  /** Runs a pod to its end. @returns what its containers wrote, by name */
  async run(pod: Pod): Promise<Readonly<Record<string, string>>> {
    const { name } = pod.metadata;
    await this.apply(pod);
    const over = await this.until(
      `end of the pod ${name}`,
      () => this.get<PodStatus>("pod", name),
      ({ status }) => status.phase === "Succeeded" || status.phase === "Failed",
    );
    const logs: Record<string, string> = {};
    for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      logs[container.name] = await this.kubectl(["logs", name, "-c", container.name]);
    }
    if (over.status.phase === "Failed") throw new Error(`the pod ${name} failed: ${JSON.stringify(logs)}`);
    await this.kubectl(["delete", "pod", name, "--grace-period=0", "--wait=false"]);
    return logs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held[Symbol.asyncDispose]();
  }
}

export interface Container {
  readonly name: string;
  readonly [field: string]: unknown;
}

export interface Pod {
  readonly apiVersion: "v1";
  readonly kind: "Pod";
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly spec: {
    readonly initContainers?: readonly Container[];
    readonly containers: readonly Container[];
    readonly [field: string]: unknown;
  };
}

interface PodStatus {
  readonly status: { readonly phase: string };
}

/** The repository's root. */
export const HERE: string = join(import.meta.dirname, "../..");
