import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { quietCall } from "../../../src/base/index.ts";
import { findBinaries } from "../../../src/cluster/index.ts";
import { builds, programsOf } from "../../../src/cluster/versions.ts";
import { containerdPrograms } from "../../peers/containerd.ts";
import { type Pod, TestCluster } from "../cluster.ts";
import { programs } from "../programs.ts";
import type { Outcome, Runtime, VolumeAt } from "./runtime.ts";

/** A kubelet with its containerd. */
export class KubeletRuntime implements Runtime {
  readonly name: string;
  readonly registry: string;
  readonly #cluster: TestCluster;
  #pods = 0;

  private constructor(name: string, cluster: TestCluster) {
    this.name = name;
    this.registry = cluster.cluster.registry;
    this.#cluster = cluster;
  }

  /** @param bin as `cluster up --bin` has it */
  static async start(bin?: string): Promise<KubeletRuntime> {
    const cluster = await TestCluster.start({ name: "runtimes", ...(bin === undefined ? {} : { bin }) });
    try {
      const { items } = await cluster.get<NodeList>("nodes");
      const version = items[0]?.status.nodeInfo.containerRuntimeVersion ?? "";
      const [, name, release] = /^(\w+):\/\/v?(\d+\.\d+)/.exec(version) ?? [];
      return new KubeletRuntime(`${name} ${release}`, cluster);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async run(volumes: readonly VolumeAt[], script: string): Promise<Outcome> {
    const name = `look-${this.#pods++}`;
    await this.#cluster.apply(lookingPod(name, `${this.registry}/tools:1`, volumes, script));
    const { status } = await this.#cluster.until(
      `end of the pod ${name}`,
      () => this.#cluster.get<PodStatus>("pod", name),
      (pod) =>
        pod.status.phase === "Succeeded" || pod.status.phase === "Failed" || refusal(pod) !== undefined,
    );
    const refused = refusal({ status });
    const said = refused === undefined ? await this.#cluster.kubectl(["logs", name]) : "";
    await this.#cluster.kubectl(["delete", "pod", name, "--grace-period=0", "--wait=false"]);
    if (status.phase === "Failed") throw new Error(`the pod ${name} failed: ${said.slice(-4000)}`);
    return refused === undefined ? { said } : { refused };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }
}

/** A pod whose container sees the volumes. */
export function lookingPod(name: string, image: string, volumes: readonly VolumeAt[], script: string): Pod {
  const container = {
    name: "look",
    image,
    command: ["sh", "-c", script],
    volumeMounts: volumes.map(({ at, subPath }, n) => ({
      name: `volume-${n}`,
      mountPath: at,
      ...(subPath === undefined ? {} : { subPath }),
    })),
  };
  const spec = {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    containers: [container],
    volumes: volumes.map(({ reference }, n) => ({ name: `volume-${n}`, image: { reference } })),
  };
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec };
}

/** Makes a folder for `--bin` of a cluster's own programs, but with Debian's containerd. */
export async function binWithDebiansContainerd(folder: string): Promise<string> {
  const [theirs, ours] = [await containerdPrograms(), await findBinaries(programs, quietCall())];
  const bin = join(folder, "bin");
  await mkdir(join(bin, "cni"), { recursive: true });
  for (const build of builds) {
    for (const name of programsOf(build)) {
      await symlink(theirs[name] ?? ours.path(name), join(bin, build.folder ?? "", name));
    }
  }
  await symlink(ours.path("nft"), join(bin, "nft"));
  return bin;
}

function refusal({ status }: PodStatus): string | undefined {
  const waiting = status.containerStatuses?.[0]?.state?.waiting;
  const hopeless = ["CreateContainerError", "ErrImagePull", "RunContainerError", "InvalidImageName"];
  return waiting !== undefined && hopeless.includes(waiting.reason) ? waiting.message : undefined;
}

interface PodStatus {
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly reason: string; readonly message: string } };
    }[];
  };
}

interface NodeList {
  readonly items: readonly {
    readonly status: { readonly nodeInfo: { readonly containerRuntimeVersion: string } };
  }[];
}
