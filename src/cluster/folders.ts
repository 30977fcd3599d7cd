import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errno } from "../base/index.ts";
import { ClusterError } from "./errors.ts";

/** Below which each provider keeps its clusters: `$XDG_STATE_HOME/imgvol`, else `~/.local/state/imgvol`. */
export function stateFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const xdg = env["XDG_STATE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  const base = xdg?.startsWith("/") === true ? xdg : join(env["HOME"] || homedir(), ".local", "state");
  return join(base, "imgvol");
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** The folder of one of a provider's clusters, whether it is there or not. @throws ClusterError `name-invalid` */
export function folderOf(name: string, clusters: string): string {
  if (!NAME.test(name)) {
    throw new ClusterError("name-invalid", `not a cluster's name: ${JSON.stringify(name.slice(0, 100))}`, {
      hint: "up to 32 small letters, digits and -",
      wrongUse: true,
    });
  }
  return join(clusters, name);
}

/**
 * Every cluster of a folder that has a state, by name. One damaged file is not in the way of the others.
 *
 * @param read what is known of the one of this name; undefined where there is none
 * @param damaged is told of each that cannot be read
 */
export async function listClusters<State>(
  clusters: string,
  read: (name: string) => Promise<State | undefined>,
  damaged: (error: ClusterError) => void,
): Promise<readonly State[]> {
  const names = await readdir(clusters).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    if (errno(error) !== "EACCES") throw error;
    throw new ClusterError("cluster-unknown", `${clusters} may not be read`, {
      cause: error,
      hint: "it belongs to another user: run this as that one (root, as a rule)",
    });
  });
  const found: State[] = [];
  for (const name of names.sort()) {
    if (!NAME.test(name)) continue;
    const state = await read(name).catch((error: unknown) => {
      if (!(error instanceof ClusterError)) throw error;
      damaged(error);
      return undefined;
    });
    if (state !== undefined) found.push(state);
  }
  return found;
}
