import { HUB, isHub } from "../hosts/index.ts";
import { isObject } from "../oci/index.ts";
import type { Config } from "./credential-files.ts";

/** Under which keys a registry's credentials may be filed, the best first: podman knows repositories, too. */
export function keysOf(registry: string, repository: string): string[] {
  const hosts = isHub(registry) ? HUB : [registry];
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
  const legacy = bare !== name || /^index\.docker\.io\/v[12]\/?$/.test(bare);
  return (legacy ? bare.replace(/\/.*$/s, "") : bare).replace(/\/$/, "");
}

/** The helper that keeps a key's credentials: of its own, or the general one, which knows servers alone. */
export function helperFor(config: Config, key: string): string | undefined {
  const own = isObject(config["credHelpers"]) ? config["credHelpers"] : {};
  const mine = Object.entries(own).find(([name]) => normalize(name) === key)?.[1];
  if (typeof mine === "string" && mine !== "") return mine;
  const general = config["credsStore"];
  return typeof general === "string" && general !== "" && !key.includes("/") ? general : undefined;
}

/** What the file itself holds for a key, under whichever of its spellings. */
export function entryFor(config: Config, key: string): unknown {
  return Object.entries(authsOf(config)).find(([name]) => normalize(name) === key)?.[1];
}

export function authsOf(config: Config): Record<string, unknown> {
  return isObject(config["auths"]) ? config["auths"] : {};
}
