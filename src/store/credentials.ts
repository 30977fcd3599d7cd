import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { errno, messageOf } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { Credentials, CredentialsProvider } from "./auth-credentials.ts";
import { askHelper } from "./credential-helper.ts";

/** The file that credentials are read from and kept in: `REGISTRY_AUTH_FILE`, else docker's `config.json`. */
export function credentialsFile(env: Readonly<Record<string, string | undefined>>): string {
  const folder = env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker");
  return env["REGISTRY_AUTH_FILE"] || join(folder, "config.json");
}

/**
 * Credentials of docker's `config.json` or podman's `auth.json`, and of the credential helpers that it names.
 * Read anew each time it is asked: a `login` meanwhile counts.
 */
export function dockerCredentials(
  env: Readonly<Record<string, string | undefined>> = process.env,
): CredentialsProvider {
  return {
    async get(registry, repository, call) {
      const config = await readConfig(credentialsFile(env));
      for (const key of keysOf(registry, repository)) {
        const helper = helperFor(config, key);
        if (helper !== undefined) {
          const kept = await askHelper(helper, "get", serverOf(key), env, call);
          if (kept !== undefined) return kept;
        }
      }
      const auths = isObject(config["auths"]) ? config["auths"] : {};
      const written = Object.entries(auths);
      for (const key of keysOf(registry, repository)) {
        const entry = written.find(([name]) => normalize(name) === key)?.[1];
        const credentials = isObject(entry) ? fromEntry(entry) : undefined;
        if (credentials !== undefined) return credentials;
      }
      return undefined;
    },
  };
}

/** The parsed file; empty where there is none. @throws StoreError `unauthorized` where it is not JSON, or unreadable */
export async function readConfig(file: string): Promise<Record<string, unknown>> {
  try {
    const text = await readFile(file, "utf8");
    const config: unknown = text.trim() === "" ? {} : JSON.parse(text);
    if (isObject(config)) return config;
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return {};
    // A JSON error quotes the text that it stumbles over, which may be a password.
    if (errno(error) !== undefined) throw unreadable(file, messageOf(error));
  }
  throw unreadable(file, "it is not a JSON object");
}

function unreadable(file: string, why: string): StoreError {
  return new StoreError("unauthorized", `cannot read credentials from ${file}: ${why}`, {
    hint: "mend the file, or point DOCKER_CONFIG or REGISTRY_AUTH_FILE elsewhere",
  });
}

/** Docker Hub is known by several names; its first one here is the one that `docker login` writes. */
const HUB: readonly string[] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

/** Under which keys a registry's credentials may be filed, the best first: podman knows repositories, too. */
export function keysOf(registry: string, repository: string): string[] {
  const hosts = HUB.includes(registry) ? HUB : [registry];
  const parts = repository === "" ? [] : repository.split("/");
  const keys: string[] = [];
  for (let n = parts.length; n >= 0; n--) {
    for (const host of hosts) keys.push([host, ...parts.slice(0, n)].join("/"));
  }
  return keys;
}

/** How a helper, and docker's own file, call a key's server. */
export function serverOf(key: string): string {
  return key === "index.docker.io" ? "https://index.docker.io/v1/" : key;
}

/** `https://host/v1/` as older dockers wrote it is `host`. */
export function normalize(name: string): string {
  const bare = name.replace(/^https?:\/\//, "");
  return (bare === name ? bare : bare.replace(/\/.*$/s, "")).replace(/\/$/, "");
}

/** The helper that keeps a key's credentials: of its own, or the general one. */
export function helperFor(config: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const own = isObject(config["credHelpers"]) ? config["credHelpers"] : {};
  const mine = Object.entries(own).find(([name]) => normalize(name) === key)?.[1];
  if (typeof mine === "string" && mine !== "") return mine;
  const general = config["credsStore"];
  return typeof general === "string" && general !== "" && !key.includes("/") ? general : undefined;
}

function fromEntry(entry: Readonly<Record<string, unknown>>): Credentials | undefined {
  const { identitytoken, registrytoken, auth, username, password } = entry;
  if (isText(identitytoken)) return { kind: "identity-token", token: identitytoken };
  if (isText(registrytoken)) return { kind: "access-token", token: registrytoken };
  if (isText(auth)) {
    const pair = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
    const colon = pair.indexOf(":");
    if (colon > 0) {
      return { kind: "password", username: pair.slice(0, colon), password: pair.slice(colon + 1) };
    }
  }
  if (isText(username) && isText(password)) return { kind: "password", username, password };
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
