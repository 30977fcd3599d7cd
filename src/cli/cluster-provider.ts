import { ImgvolError } from "../base/index.ts";
import { kindHas, type Recipe, recipes } from "../kind/index.ts";
import { nativeHas } from "../native/index.ts";
import type { UpFlags } from "./cluster-flags.ts";
import { flagInvalid } from "./flag-values.ts";
import type { Io } from "./io.ts";

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

/**
 * Those that have a cluster of this name.
 *
 * @param clusters where each keeps its own; default: where it does by default
 * @throws ClusterError `name-invalid`, `cluster-unknown`
 */
export async function providersOf(
  name: string,
  clusters: Readonly<Partial<Record<Provider, string>>> = {},
): Promise<readonly Provider[]> {
  const found: Provider[] = [];
  if (await nativeHas(name, clusters.native)) found.push("native");
  if (await kindHas(name, clusters.kind)) found.push("kind");
  return found;
}

export type UpProvider = Provider | Recipe;

/** Which flags are for which provider alone. */
const OWN: Readonly<Record<string, readonly UpProvider[]>> = {
  bin: ["native"],
  nodeImage: ["kind"],
  dashboard: ["kind"],
  dryRun: ["kind", ...recipes],
  kubernetes: ["kind", ...recipes],
  gateOff: ["native", "kind"],
  publish: ["native", "kind"],
  registryHtpasswd: ["native", "kind"],
};

/** The provider that is wanted, or the default, which is told. @throws ImgvolError `flag-invalid` */
export function providerOf(flags: UpFlags, io: Io): UpProvider {
  const chosen = flags.provider ?? defaultProvider().provider;
  const provider = (["native", "kind", ...recipes] as const).find((name) => name === chosen);
  if (provider === undefined)
    throw flagInvalid("--provider", chosen, `one of native, kind, ${recipes.join(", ")}`);
  for (const [flag, providers] of Object.entries(OWN)) {
    if (!(flag in flags) || providers.includes(provider)) continue;
    const word = `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new ImgvolError("flag-invalid", `${word} is for ${providers.join(", ")}, not for ${provider}`, {
      hint: `leave ${word} out, or take --provider ${providers.join(" or ")}`,
      wrongUse: true,
    });
  }
  if (flags.provider === undefined) io.say(`provider ${provider}: ${defaultProvider().why}`);
  return provider;
}
