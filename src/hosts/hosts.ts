import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Environment, errno, messageOf } from "../base/index.ts";
import { StoreError } from "../oci/index.ts";
import { dockerCertificates, readCertificates } from "./certificates.ts";
import { defaultEndpoint, type Endpoint, EVERYTHING, type HostsProvider, isHub } from "./endpoint.ts";
import { type DeclaredHost, parseHostsFile } from "./hosts-file.ts";

/**
 * The folders that are searched: those of `IMGVOL_HOSTS_DIR` (separated by `:`) where it is set, else the user's own, then
 * containerd's, podman's and docker's.
 */
export function hostsFolders(env: Environment): readonly string[] {
  const set = env["IMGVOL_HOSTS_DIR"];
  if (set !== undefined) return set.split(":").filter((folder) => folder !== "");
  return [
    join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config"), "containers/certs.d"),
    "/etc/containerd/certs.d",
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ];
}

/**
 * What `hosts.toml` files (containerd's), or the certificates of docker and podman, say of registries. The first folder that
 * has one for the registry is the one that counts; `_default` counts where none has.
 */
export function configuredHosts(env: Environment = process.env): HostsProvider {
  return {
    async endpoints(registry, plainHttp) {
      // Before it becomes a folder's name.
      defaultEndpoint(registry, plainHttp);
      const folder = await folderOf(registry, hostsFolders(env));
      if (folder === undefined) return undefined;
      const { hosts, toml } = await declaredIn(folder);
      const at = { registry, plainHttp, folder, toml };
      return await Promise.all(hosts.map((host, n) => endpoint(host, n === hosts.length - 1, at)));
    },
    place(registry) {
      const [first] = hostsFolders(env);
      return first === undefined ? undefined : join(first, isHub(registry) ? "docker.io" : registry);
    },
  };
}

/** What is configured of the registries themselves: for whoever is a mirror, and would be sent round in circles. */
export function withoutMirrors(hosts: HostsProvider): HostsProvider {
  return {
    ...hosts,
    async endpoints(registry, plainHttp) {
      const all = await hosts.endpoints(registry, plainHttp);
      const itself = all?.filter(({ mirrorOf }) => mirrorOf === undefined);
      return itself?.length === 0 ? undefined : itself;
    },
  };
}

async function folderOf(registry: string, folders: readonly string[]): Promise<string | undefined> {
  const host = isHub(registry) ? "docker.io" : registry;
  // As containerd looks: a colon cannot be in a name everywhere.
  const names = [...new Set([host.replace(/:(\d+)$/, "_$1_"), host])];
  for (const candidates of [names, ["_default"]]) {
    for (const folder of folders) {
      for (const name of candidates) if (await isFolder(join(folder, name))) return join(folder, name);
    }
  }
  return undefined;
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    // What we may not see is somebody else's, such as docker's own folder.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(errno(error) ?? "")) return false;
    throw error;
  }
}

async function declaredIn(folder: string): Promise<{ hosts: readonly DeclaredHost[]; toml: boolean }> {
  const path = join(folder, "hosts.toml");
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    if (errno(cause) === "ENOENT") return "";
    throw new StoreError("hosts-invalid", `${path}: ${messageOf(cause)}`, {
      hint: "check who may read it",
      cause,
    });
  });
  if (text.trim() !== "") return { hosts: await parseHostsFile(text, path), toml: true };
  const certificates = await dockerCertificates(folder).catch((cause: unknown) => {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError("hosts-invalid", `${folder}: ${messageOf(cause)}`, { cause });
  });
  const [server] = await parseHostsFile("", path);
  return { hosts: server === undefined ? [] : [{ ...server, ...certificates }], toml: false };
}

async function endpoint(
  host: DeclaredHost,
  isServer: boolean,
  at: {
    readonly registry: string;
    readonly plainHttp: boolean;
    readonly folder: string;
    readonly toml: boolean;
  },
): Promise<Endpoint> {
  const certificates = await readCertificates(at.folder, host);
  const secured = certificates.ca.length > 0 || certificates.client.length > 0 || host.skipVerify;
  const itself = defaultEndpoint(at.registry, at.plainHttp);
  const api = host.url === undefined ? itself.api : apiOf(host.url, host.overridePath);
  // Certificates for a registry on this machine say that it speaks TLS.
  if (host.url === undefined && secured && !at.plainHttp) api.protocol = "https:";
  // Files name Docker Hub as users do, but its API is elsewhere.
  if (api.host === "docker.io") api.host = itself.api.host;
  const isItself = api.host === itself.api.host;
  const { dialTimeout, proxy } = host;
  const special = secured || dialTimeout !== undefined || proxy !== undefined;
  return {
    registry: isItself ? at.registry : api.host,
    api,
    // Without a server's name the root is the registry itself, which may do all (as in containerd).
    can: isServer && host.url === undefined ? EVERYTHING : new Set(host.capabilities ?? EVERYTHING),
    headers: host.headers,
    files: { folder: at.folder, toml: at.toml },
    mirrorOf: isItself ? undefined : isHub(at.registry) ? "docker.io" : at.registry,
    own: special
      ? {
          origin: api.origin,
          ...certificates,
          skipVerify: host.skipVerify,
          ...(dialTimeout === undefined ? {} : { connectTimeout: dialTimeout }),
          ...(proxy === undefined ? {} : { proxy }),
        }
      : undefined,
  };
}

/** The API's root: `/v2` below the URL, unless that ends so already, or says that it is the root itself. */
function apiOf(url: URL, overridePath: boolean): URL {
  const path = url.pathname.replace(/\/+$/, "");
  const api = new URL(url);
  api.search = "";
  api.hash = "";
  api.pathname = overridePath || path.endsWith("/v2") ? `${path}/` : `${path}/v2/`;
  return api;
}
