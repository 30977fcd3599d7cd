import { resolve } from "node:path";
import { ClusterError, freePort, type Published, type TakenPorts, type UpOptions } from "../cluster/index.ts";
import type { Source } from "../pack/index.ts";
import { PAGE } from "./dashboard.ts";
import type { KindSpec } from "./files.ts";
import { DEFAULT_KUBERNETES, imageVolumeGate, kubernetesVersion } from "./image.ts";

export interface KindOptions extends UpOptions {
  /** `1.36`, or `1.36.4`. Default: the minor version of a native cluster. */
  readonly kubernetes?: string | undefined;
  /** Instead of the one that is known for the version: one of the user's own, say. */
  readonly nodeImage?: string | undefined;
  /** imgvol's own files: with them, the dashboard runs in the cluster, and its page is published. */
  readonly dashboard?: readonly Source[] | undefined;
}

/** All that does not depend on this machine. @throws ClusterError `version-unsupported`, `not-supported` */
export function decide(options: KindOptions): Omit<KindSpec, "engine"> {
  const kubernetes = kubernetesVersion(options.kubernetes ?? DEFAULT_KUBERNETES);
  const image = options.nodeImage ?? kubernetes.image;
  if (image === undefined) {
    throw new ClusterError(
      "version-unsupported",
      `no node image of Kubernetes ${kubernetes.version} is known`,
      {
        hint: "name its patch version, or an image of your own with --node-image",
        wrongUse: true,
      },
    );
  }
  const gate = imageVolumeGate(kubernetes, options.gateOff ?? false);
  if (options.dashboard !== undefined && options.htpasswd !== undefined) {
    throw new ClusterError("not-supported", "the dashboard's pod has no password for the registry", {
      hint: "leave --registry-htpasswd out, or the --dashboard",
      wrongUse: true,
    });
  }
  const wanted = options.dashboard !== undefined && !options.publish?.some(({ node }) => node === PAGE);
  const page = wanted ? [{ host: 18_888, node: PAGE }] : [];
  return {
    name: options.name ?? "imgvol",
    version: kubernetes.version,
    image,
    ...(gate === undefined ? {} : { gate }),
    apiPort: options.apiPort ?? 6443,
    registryPort: options.registryPort ?? 5001,
    publish: [...(options.publish ?? []), ...page],
    ...(options.dashboard === undefined ? {} : { dashboard: true }),
    ...(options.htpasswd === undefined ? {} : { htpasswd: resolve(options.htpasswd) }),
  };
}

/** Finds the ports that were left open, and whether the others are free. @throws BaseError `port-in-use` */
export async function withPorts(spec: KindSpec, taken: TakenPorts): Promise<KindSpec> {
  const apiPort = await freePort(spec.apiPort, "--api-port", taken);
  const registryPort = await freePort(spec.registryPort, "--registry-port", taken);
  const publish: { host: number; node: number }[] = [];
  for (const { host, node } of spec.publish) {
    publish.push({ host: await freePort(host, `--publish PORT:${node}`, taken), node });
  }
  return { ...spec, apiPort, registryPort, publish };
}

/** As {@link withPorts}, but not looking at those that are named: what holds one now may be gone when the script is run. */
export async function withOpenPorts(spec: KindSpec): Promise<KindSpec> {
  const taken = takenBy([spec]);
  const open = async (port: number): Promise<number> => port || (await freePort(0, "", taken));
  const publish: { host: number; node: number }[] = [];
  for (const { host, node } of spec.publish) publish.push({ host: await open(host), node });
  return {
    ...spec,
    apiPort: await open(spec.apiPort),
    registryPort: await open(spec.registryPort),
    publish,
  };
}

/** The ports of this machine that clusters have. */
export function takenBy(specs: readonly KindSpec[]): TakenPorts {
  return new Map(
    specs.flatMap((spec) => portsOf(spec).map(({ host }) => [host, `the cluster ${spec.name}`] as const)),
  );
}

/** Those that one has. */
export function portsOf({ apiPort, registryPort, publish }: KindSpec): readonly Published[] {
  return [
    { host: apiPort, node: 6443, what: "api" },
    { host: registryPort, node: registryPort, what: "registry" },
    ...publish.map(({ host, node }) => ({ host, node, what: "published" as const })),
  ];
}
