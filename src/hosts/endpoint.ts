import { hostName, isLoopback, type OriginOptions, withoutUserinfo } from "../base/index.ts";
import { OciError } from "../oci/index.ts";

/** What an endpoint is trusted to do: give content by its digest, say what a tag names, take pushes. */
export type HostCapability = "pull" | "resolve" | "push";

export const EVERYTHING: ReadonlySet<HostCapability> = new Set(["pull", "resolve", "push"]);

/** One place to ask for a registry's content: the registry itself, or a mirror of it. */
export interface Endpoint {
  /** As users write it, `host[:port]`: for messages, and whose credentials count. */
  readonly registry: string;
  /** The root of its API, with a slash at its end: `https://host/v2/`. */
  readonly api: URL;
  readonly can: ReadonlySet<HostCapability>;
  /** Sent with every request to its origin, and to no other. */
  readonly headers: Readonly<Record<string, string>>;
  /** The registry that it stands in for, which it is told as `?ns=`; undefined where it is that registry. */
  readonly mirrorOf: string | undefined;
  /** How it is reached, where that is not how everybody is. */
  readonly own: OriginOptions | undefined;
  /** The folder that says so, and whether by a hosts.toml; undefined where nothing is configured. */
  readonly files: { readonly folder: string; readonly toml: boolean } | undefined;
}

/** What is known of a registry's endpoints. */
export interface HostsProvider {
  /** How long its word is believed, in ms; whoever asks later has it asked again. Default 30 s. */
  readonly believed?: number;
  /**
   * In the order in which to try them, the registry itself last; undefined where nothing is configured.
   * @throws StoreError `hosts-invalid`
   */
  endpoints(registry: string, plainHttp: boolean): Promise<readonly Endpoint[] | undefined>;
  /** The folder in which its user would configure a registry, whether it is there or not; undefined where none is read. */
  place?(registry: string): string | undefined;
}

/**
 * The registry itself, as it is reached without any configuration: by plain HTTP where it is on this machine.
 * @throws OciError `reference-invalid`
 */
export function defaultEndpoint(registry: string, plainHttp: boolean): Endpoint {
  const host = isHub(registry) ? "registry-1.docker.io" : registry;
  const name = hostName(host);
  if (name !== undefined && /[^.]/.test(name)) {
    const text = `${plainHttp || isLoopback(name) ? "http" : "https"}://${host}/v2/`;
    if (URL.canParse(text)) {
      const api = new URL(text);
      return {
        registry,
        api,
        can: EVERYTHING,
        headers: {},
        mirrorOf: undefined,
        own: undefined,
        files: undefined,
      };
    }
  }
  const shown = withoutUserinfo(registry);
  throw new OciError("reference-invalid", `not a registry: ${JSON.stringify(shown)}`, {
    hint:
      shown === registry
        ? "write host or host:port"
        : "write host or host:port; who you are, `imgvol login` keeps",
    wrongUse: true,
  });
}

/** @throws OciError `reference-invalid` where it is not `host` or `host:port`; a password in it is not repeated */
export function checkRegistry(registry: string): void {
  defaultEndpoint(registry, false);
}

/** Whether a registry speaks plain HTTP without being told to by a file: by a flag, or as it is on this machine. */
export function isPlain(registry: string, plainHttp: readonly string[], loopback = true): boolean {
  const name = hostName(registry) ?? "";
  return (loopback && isLoopback(name)) || plainHttp.includes(registry) || plainHttp.includes(name);
}

/** Docker Hub is known by several names; its first one here is the one that `docker login` writes. */
export const HUB: readonly string[] = ["index.docker.io", "docker.io", "registry-1.docker.io"];

export function isHub(registry: string): boolean {
  return HUB.includes(registry);
}
