import { crane, startCraneRegistry } from "./crane.ts";
import { distribution, startDistribution } from "./distribution.ts";
import { dockerRegistry, startDockerRegistry } from "./docker-registry.ts";
import { olareg, startOlareg } from "./olareg.ts";
import type { Peer } from "./program.ts";
import type { RunningRegistry } from "./server.ts";

export interface StartOptions {
  /** Take images and indexes that lack parts, as far as the registry can. */
  readonly sparse?: boolean;
}

export interface RegistryPeer {
  readonly name: string;
  /** The program that is the registry. */
  readonly peer: Peer;
  /** Starts it empty, on a free port of 127.0.0.1, with deletes allowed. */
  readonly start: (options?: StartOptions) => Promise<RunningRegistry>;
}

/** The registries of others. */
export const REGISTRIES: readonly RegistryPeer[] = [
  { name: "docker-registry", peer: dockerRegistry, start: startDockerRegistry },
  { name: "distribution", peer: distribution, start: startDistribution },
  { name: "olareg", peer: olareg, start: startOlareg },
  { name: "go-containerregistry", peer: crane, start: startCraneRegistry },
];
