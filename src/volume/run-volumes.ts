import { access } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Call, Finding } from "../base/index.ts";
import type { Digest, Platform, Store } from "../oci/index.ts";
import { type EnvVar, findLayout, type OtlpTargets, type Preset, switchOn } from "../preset/index.ts";
import type { Cache, CachedVolume } from "./cache.ts";
import { VolumeError } from "./errors.ts";
import { run } from "./launch.ts";
import { resolveSubPath } from "./sub-path.ts";
import type { Command, Exit, View } from "./view.ts";
import { locateAll } from "./view-plan.ts";

/** One volume of a command: what a pod's `volumes` and `volumeMounts` say together. */
export interface VolumeMount {
  readonly store: Store;
  /** A tag or digest in the store. */
  readonly wanted: string;
  /** As the user wrote it: for messages, and for what telemetry says of the volume. */
  readonly reference: string;
  /** Absolute. Default, for an agent: the preset's own. */
  readonly mountPath?: string | undefined;
  readonly subPath?: string | undefined;
  /** The agent that the volume holds, to be switched on in the command. */
  readonly preset?: Preset | undefined;
}

export interface RunVolumesOptions {
  readonly platform?: Platform | undefined;
  /** Where agents are to send telemetry; without it, where they or the environment say. */
  readonly otlp?: OtlpTargets | undefined;
  /** What telemetry calls the command; default: its program's name. */
  readonly serviceName?: string | undefined;
  /** Hears of what was left out or looks wrong, before the command starts. */
  readonly tell?: ((findings: readonly Finding[]) => void) | undefined;
  /** Hears of each volume once it is there. */
  readonly ready?: ((volume: { reference: string; digest: Digest; mountPath: string }) => void) | undefined;
}

/**
 * Gives a command what a pod would have: volumes unpacked into the cache and seen read-only at their paths, agents switched
 * on in its environment; and waits for its end. Volumes are held against pruning while it runs.
 *
 * @throws VolumeError `agent-refused` where the environment does not go with an agent; `mount-path-invalid` and
 * `mount-path-busy`, as far as they can be known, before anything is fetched; what the cache and `run` throw; PresetError
 * `layout-unknown`
 */
export async function runVolumes(
  cache: Cache,
  mounts: readonly VolumeMount[],
  command: Command,
  options: RunVolumesOptions,
  call: Call,
): Promise<Exit> {
  const held: CachedVolume[] = [];
  try {
    const prepared: Prepared[] = [];
    const wanted = mounts.map((mount) => ({ mount, mountPath: mountPathOf(mount) }));
    // Before any of them is fetched, which may take long.
    await locateAll(wanted);
    for (const { mount, mountPath } of wanted) {
      const how = { platform: options.platform, reference: mount.reference };
      const volume = await cache.volume(mount.store, mount.wanted, how, call);
      held.push(volume);
      options.tell?.(volume.told);
      const source = await resolveSubPath(volume.root, mount.subPath ?? "");
      options.ready?.({ reference: mount.reference, digest: volume.digest, mountPath });
      prepared.push({ mount, volume, view: { mountPath, source } });
    }
    const environments = await layouts(prepared);
    return await run(
      prepared.map((p) => p.view),
      (where) => switchedOn(command, environments, where, options),
      call,
    );
  } finally {
    for (const volume of held) await volume[Symbol.asyncDispose]();
  }
}

function mountPathOf({ reference, mountPath, preset }: VolumeMount): string {
  const path = mountPath ?? preset?.mountPath;
  if (path !== undefined) return path;
  throw new VolumeError("mount-path-invalid", `${reference} has no mount path`, { wrongUse: true });
}

interface Prepared {
  readonly mount: VolumeMount;
  readonly volume: CachedVolume;
  readonly view: View;
}

type Agent = Prepared & { readonly preset: Preset; readonly layout: Preset["layouts"][number] };

/** What form each agent's files have; looked up before the command's environment is made. */
async function layouts(prepared: readonly Prepared[]): Promise<readonly Agent[]> {
  const agents: Agent[] = [];
  for (const one of prepared) {
    const { preset } = one.mount;
    if (preset === undefined) continue;
    const holds = (path: string): Promise<boolean> =>
      access(join(one.view.source, path)).then(
        () => true,
        () => false,
      );
    agents.push({ ...one, preset, layout: await findLayout(preset, holds) });
  }
  return agents;
}

function switchedOn(
  command: Command,
  agents: readonly Agent[],
  where: (mountPath: string) => string,
  options: RunVolumesOptions,
): Command {
  if (agents.length === 0) return command;
  let env: readonly EnvVar[] = Object.entries(command.env ?? process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  );
  for (const { mount, volume, view, preset, layout } of agents) {
    const merged = switchOn(
      preset,
      layout,
      { env, imageEnv: new Map(), expansion: "none" },
      {
        mountPath: where(view.mountPath),
        serviceName: options.serviceName ?? basename(command.argv[0]),
        otlp: options.otlp,
        volume: { reference: mount.reference, digest: volume.digest },
      },
    );
    if ("refused" in merged) {
      throw new VolumeError("agent-refused", `${preset.name}: ${merged.refused.message}`, {
        ...(merged.refused.fix[0] === undefined ? {} : { hint: merged.refused.fix[0] }),
      });
    }
    options.tell?.(merged.told);
    env = merged.env;
  }
  return { ...command, env: Object.fromEntries(env.map((v) => [v.name, v.value])) };
}
