import { readdir, readlink, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Call, passingLock, quietCall } from "../base/index.ts";
import { removeCgroups } from "./cgroups.ts";
import { restoreSettings } from "./machine-settings.ts";
import { processesOf } from "./processes.ts";
import { clusterFolder, listStates, readState } from "./state.ts";
import type { ClusterState } from "./state-format.ts";

/**
 * What native clusters have in common is listed here, whoever made them and wherever they are kept: `/run/imgvol-ID` leads to the
 * folder of each. It is gone when the machine was restarted, as are the settings that they changed.
 */
export const MACHINE = "/run/imgvol";

const LINK = new RegExp(`^${basename(MACHINE)}-([0-9a-f-]{36})$`);

/**
 * Keeps the ups and downs of every folder away, for the moment in which a cluster takes what the whole machine has once, or gives
 * it back: a network, ports, settings of the kernel. Taken after `lockClusters`, never before it.
 */
export async function lockMachine(call: Call): Promise<AsyncDisposable> {
  return await passingLock(`${MACHINE}.lock`, call);
}

/**
 * Every native cluster of this machine that is known: those of one folder, and what is listed. While the machine's lock is held:
 * what is listed and is there no more is forgotten.
 */
export async function machineStates(clusters: string): Promise<readonly ClusterState[]> {
  const found = new Map((await listStates(clusters)).map((state) => [state.id, state]));
  for (const { id, link } of await links()) {
    if (found.has(id)) continue;
    const state = await listed(link);
    if (state === "damaged") continue;
    if (state?.id === id) found.set(id, state);
    else if ((await processesOf(id)).length === 0) await forget(id, link);
  }
  return [...found.values()];
}

/** What is listed, whether it is there or not. */
async function links(): Promise<readonly { readonly id: string; readonly link: string }[]> {
  const folder = dirname(MACHINE);
  return (await readdir(folder)).flatMap((name) => {
    const id = LINK.exec(name)?.[1];
    return id === undefined ? [] : [{ id, link: join(folder, name) }];
  });
}

async function listed(link: string): Promise<ClusterState | undefined | "damaged"> {
  try {
    const folder = await readlink(link);
    return await readState(clusterFolder(basename(folder), dirname(folder)));
  } catch {
    // That somebody damaged it does not say that nothing of it runs.
    return "damaged";
  }
}

/** Of a cluster whose folder somebody deleted, after it had ended. What cannot be removed now is for its `down`. */
async function forget(id: string, link: string): Promise<void> {
  try {
    await removeCgroups({ name: basename(await readlink(link)), id }, quietCall());
    await rm(link);
  } catch {}
}

/** The id of the cluster that is listed with a folder, whether there is anything in that or not. */
export async function listedId(folder: string): Promise<string | undefined> {
  for (const { id, link } of await links()) {
    const to = await readlink(link).catch(() => undefined);
    if (to === folder) return id;
  }
  return undefined;
}

/** Lists a cluster whose state is written: whoever is killed in between leaves what `down` takes away, and what nobody else minds. */
export async function enlist({ id, folder }: ClusterState): Promise<void> {
  await symlink(folder, `${MACHINE}-${id}`);
}

/** Takes a cluster off the list. The last one to leave puts back what clusters change of the machine. While its lock is held. */
export async function leaveMachine({ id }: Pick<ClusterState, "id">, clusters: string): Promise<void> {
  const others = [...(await machineStates(clusters)).map((state) => state.id), ...(await runningIds())];
  if (others.every((other) => other === id)) await restoreSettings();
  await rm(`${MACHINE}-${id}`, { force: true });
}

/** Those of which something runs, whatever became of their folders. */
async function runningIds(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { id } of await links()) if ((await processesOf(id)).length > 0) found.push(id);
  return found;
}
