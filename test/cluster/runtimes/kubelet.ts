import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { quietCall } from "../../../src/base/index.ts";
import { builds, findBinaries, programsOf } from "../../../src/binaries/index.ts";
import { containerdPrograms } from "../../peers/containerd.ts";
import { type Pod, TestCluster } from "../cluster.ts";
import { programs } from "../programs.ts";
import type { Look, Outcome, Runtime } from "./runtime.ts";

/** A kubelet with its containerd. */
export class KubeletRuntime implements Runtime {
  readonly name: string;
  readonly registry: string;
  readonly #cluster: TestCluster;

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

  /** All in one pod: what one of its containers is refused stops no other. */
  async run(looks: readonly Look[]): Promise<readonly Outcome[]> {
    const name = "looks";
    await this.#cluster.apply(lookingPod(name, `${this.registry}/tools:1`, looks));
    const { status } = await this.#cluster.until(
      "end of every container",
      () => this.#cluster.get<PodStatus>("pod", name),
      ({ status: { containerStatuses: all = [] } }) => all.length === looks.length && all.every(isOver),
    );
    const outcomes: Outcome[] = [];
    for (const n of looks.keys()) {
      const container = status.containerStatuses?.find((one) => one.name === `look-${n}`);
      const { waiting, terminated } = container?.state ?? {};
      if (waiting !== undefined) {
        outcomes.push({ refused: waiting.message });
        continue;
      }
      const said = await this.#cluster.kubectl(["logs", name, "-c", `look-${n}`]);
      if (terminated?.exitCode !== 0) throw new Error(`look-${n} failed: ${said.slice(-4000)}`);
      outcomes.push({ said });
    }
    await this.#cluster.kubectl(["delete", "pod", name, "--grace-period=0", "--wait=false"]);
    return outcomes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster[Symbol.asyncDispose]();
  }
}

/** A pod of a container for each look, `look-0` and on. */
export function lookingPod(name: string, image: string, looks: readonly Look[]): Pod {
  const references = [...new Set(looks.flatMap(({ volumes }) => volumes.map(({ reference }) => reference)))];
  const volumeName = (reference: string): string => `volume-${references.indexOf(reference)}`;
  const containers = looks.map(({ volumes, script }, n) => ({
    name: `look-${n}`,
    image,
    command: ["sh", "-c", script],
    volumeMounts: volumes.map(({ reference, at, subPath }) => ({
      name: volumeName(reference),
      mountPath: at,
      ...(subPath === undefined ? {} : { subPath }),
    })),
  }));
  const volumes = references.map((reference) => ({ name: volumeName(reference), image: { reference } }));
  const spec = { restartPolicy: "Never", automountServiceAccountToken: false, containers, volumes };
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

/** Why a container waits whose runtime refused it. What was not pulled is nothing that a runtime refused. */
const REFUSED = ["CreateContainerError", "RunContainerError"];

function isOver({ state }: ContainerStatus): boolean {
  return state?.terminated !== undefined || REFUSED.includes(state?.waiting?.reason ?? "");
}

interface ContainerStatus {
  readonly name: string;
  readonly state?: {
    readonly waiting?: { readonly reason: string; readonly message: string };
    readonly terminated?: { readonly exitCode: number };
  };
}

interface PodStatus {
  readonly status: { readonly containerStatuses?: readonly ContainerStatus[] };
}

interface NodeList {
  readonly items: readonly {
    readonly status: { readonly nodeInfo: { readonly containerRuntimeVersion: string } };
  }[];
}
