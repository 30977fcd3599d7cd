import { defaultEndpoint, type Endpoint, isPlain } from "../hosts/index.ts";
import { RemoteHost } from "./host.ts";
import type { RemoteOptions } from "./options.ts";

interface Known {
  readonly itself: Map<string, RemoteHost>;
  readonly configured: Map<string, Promise<readonly RemoteHost[]>>;
}

const known = new WeakMap<RemoteOptions, Known>();

function knownBy(options: RemoteOptions): Known {
  const mine = known.get(options) ?? { itself: new Map(), configured: new Map() };
  known.set(options, mine);
  return mine;
}

/**
 * The registry itself, reached as it is without configuration. One host for one registry and one set of options: tokens are
 * shared by its repositories.
 * @throws OciError `reference-invalid`
 */
export function hostFor(registry: string, options: RemoteOptions): RemoteHost {
  const { itself } = knownBy(options);
  const host =
    itself.get(registry) ??
    new RemoteHost(defaultEndpoint(registry, isPlain(registry, options.plainHttp ?? [])), options);
  itself.set(registry, host);
  return host;
}

/**
 * The hosts to ask for a registry's content, in order: its mirrors, where some are configured, and the registry itself.
 * @throws StoreError `hosts-invalid`; OciError `reference-invalid`
 */
export function hostsFor(registry: string, options: RemoteOptions): Promise<readonly RemoteHost[]> {
  const { configured } = knownBy(options);
  const there = configured.get(registry);
  if (there !== undefined) return there;
  const looking = lookUp(registry, options);
  configured.set(registry, looking);
  looking.catch(() => configured.delete(registry));
  return looking;
}

async function lookUp(registry: string, options: RemoteOptions): Promise<readonly RemoteHost[]> {
  const plainHttp = isPlain(registry, options.plainHttp ?? [], false);
  const endpoints = await options.hosts?.endpoints(registry, plainHttp);
  if (endpoints === undefined) return [hostFor(registry, options)];
  return endpoints.map((endpoint, n) => {
    const last = n === endpoints.length - 1;
    return new RemoteHost(endpoint, last ? options : impatient(options));
  });
}

/** Where another can be asked, nobody waits long for the first. */
function impatient(options: RemoteOptions): RemoteOptions {
  return { ...options, retry: { ...options.retry, attempts: 2, longest: 0 } };
}

/**
 * The host that a user means who logs in: the registry itself, with the certificates that are configured for it; never a
 * mirror, whatever stands first.
 */
export async function registryItself(registry: string, options: RemoteOptions): Promise<RemoteHost> {
  const hosts = await hostsFor(registry, options);
  return hosts.findLast((host) => isItself(host.endpoint)) ?? hostFor(registry, options);
}

function isItself(endpoint: Endpoint): boolean {
  return endpoint.mirrorOf === undefined;
}
