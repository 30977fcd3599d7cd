import { ImgvolError } from "../base/index.ts";
import { defaultProvider, type Recipe, recipes } from "../cluster/index.ts";
import type { UpFlags } from "./cluster-flags.ts";
import { flagInvalid } from "./flag-values.ts";
import type { Io } from "./io.ts";

export type UpProvider = "native" | "kind" | Recipe;

/** Which flags are for which provider alone. */
const OWN: Readonly<Record<string, readonly UpProvider[]>> = {
  bin: ["native"],
  nodeImage: ["kind"],
  dashboard: ["kind"],
  dryRun: ["kind"],
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
      hint: `name the --provider, or leave ${word} out`,
      wrongUse: true,
    });
  }
  if (flags.provider === undefined) io.say(`provider ${provider}: ${defaultProvider().why}`);
  return provider;
}
