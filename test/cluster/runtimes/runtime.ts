/** A volume of a container. */
export interface VolumeAt {
  readonly reference: string;
  /** Where it is mounted. */
  readonly at: string;
  /** A path in the volume, without a slash in front. */
  readonly subPath?: string;
}

/** What a container wrote; or, where there was none, why its runtime refused it. */
export type Outcome = { readonly said: string } | { readonly refused: string };

/** Something that mounts volumes for commands. */
export interface Runtime extends AsyncDisposable {
  readonly name: string;
  /** Where it pulls from. */
  readonly registry: string;
  /** Runs a shell's script where it sees the volumes. @throws where the script fails */
  run(volumes: readonly VolumeAt[], script: string): Promise<Outcome>;
}
