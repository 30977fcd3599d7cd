/** A volume of a container. */
export interface VolumeAt {
  readonly reference: string;
  /** Where it is mounted. */
  readonly at: string;
  /** A path in the volume, without a slash in front. */
  readonly subPath?: string;
}

/** A container that sees volumes, and the shell's script that it runs. */
export interface Look {
  readonly volumes: readonly VolumeAt[];
  readonly script: string;
}

/** What a container wrote; or, where there was none, why its runtime refused it. */
export type Outcome = { readonly said: string } | { readonly refused: string };

/** Something that mounts volumes for commands. */
export interface Runtime extends AsyncDisposable {
  readonly name: string;
  /** Where it pulls from. */
  readonly registry: string;
  /** Runs containers to their end. @returns what came of each @throws where a script fails */
  run(looks: readonly Look[]): Promise<readonly Outcome[]>;
}
