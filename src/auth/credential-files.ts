import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Environment, errno, messageOf } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";

/** A parsed `config.json` or `auth.json`. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * The files that credentials are looked up in, in this order, which is podman's and skopeo's. `REGISTRY_AUTH_FILE`, or else
 * `DOCKER_CONFIG`, stands alone: who names a file means that one. Otherwise podman's of this session, podman's that lasts,
 * and docker's.
 */
export function credentialFiles(env: Environment = process.env): readonly string[] {
  const { REGISTRY_AUTH_FILE: named, DOCKER_CONFIG: folder, XDG_CONFIG_HOME: config } = env;
  if (named) return [named];
  if (folder) return [join(folder, "config.json")];
  const home = env["HOME"] || homedir();
  return [
    ...(sessionFolder(env) ?? []),
    join(config || join(home, ".config"), "containers/auth.json"),
    join(home, ".docker/config.json"),
  ];
}

/** In memory, and gone when the user's last session ends. */
function sessionFolder({ XDG_RUNTIME_DIR: folder }: Environment): string[] | undefined {
  if (folder) return [join(folder, "containers/auth.json")];
  if (process.platform !== "linux") return undefined;
  return [`/run/containers/${process.getuid?.() ?? 0}/auth.json`];
}

/** The parsed file; empty where there is none. @throws StoreError `credentials-unreadable` */
export async function readConfig(file: string): Promise<Config> {
  try {
    const text = await readFile(file, "utf8");
    const config: unknown = text.trim() === "" ? {} : JSON.parse(text.replace(/^\ufeff/, ""));
    if (isObject(config)) return config;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return {};
    // A JSON error quotes the text that it stumbles over, which may be a password.
    if (errno(error) !== undefined) throw unreadable(file, messageOf(error));
  }
  throw unreadable(file, "it is not a JSON object");
}

export function unreadable(file: string, why: string): StoreError {
  return new StoreError("credentials-unreadable", `cannot read credentials from ${file}: ${why}`, {
    hint: "mend the file, or point DOCKER_CONFIG or REGISTRY_AUTH_FILE elsewhere",
  });
}
