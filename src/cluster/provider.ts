import { kindClustersFolder, kindFolder, readKindState } from "./kind-state.ts";
import { clusterFolder, clustersFolder, readState } from "./state.ts";

/** What makes a cluster: imgvol itself, of this machine's own processes, or kind, with a container engine. */
export type Provider = "native" | "kind";

/** Which one is taken where none is named, and why. */
export function defaultProvider(
  platform: string = process.platform,
  uid: number | undefined = process.geteuid?.(),
): { readonly provider: Provider; readonly why: string } {
  if (platform !== "linux") return { provider: "kind", why: `this is ${platform}; native needs Linux` };
  if (uid !== 0) return { provider: "kind", why: "native needs root" };
  return { provider: "native", why: "this is Linux, and root" };
}

/** Those that have a cluster of this name. @throws ClusterError `name-invalid` */
export async function providersOf(
  name: string,
  clusters: { readonly native: string; readonly kind: string } = {
    native: clustersFolder(),
    kind: kindClustersFolder(),
  },
): Promise<readonly Provider[]> {
  const found: Provider[] = [];
  if ((await readState(clusterFolder(name, clusters.native))) !== undefined) found.push("native");
  if ((await readKindState(kindFolder(name, clusters.kind))) !== undefined) found.push("kind");
  return found;
}
