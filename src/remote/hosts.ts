import { type Finding, messageOf } from "../base/index.ts";
import { defaultEndpoint, type Endpoint, isPlain } from "../hosts/index.ts";
import { RemoteHost } from "./host.ts";
import type { RemoteOptions } from "./options.ts";

interface Known {
  readonly itself: Map<string, RemoteHost>;
  readonly configured: Map<string, Looked>;
}

/** When files were looked at, and what they say. */
interface Looked {
  readonly at: number;
  readonly found: Promise<Found>;
}

interface Found {
  readonly hosts: readonly RemoteHost[];
  /** What the hosts were made of: where it is the same, they and their tokens stay. */
  readonly endpoints: string;
  /** Why the files could not be read when they were last looked at: what they said before still counts. */
  readonly problem?: string;
}

/** How long what the files say is believed, in ms: whoever serves for months sees what was changed. */
const BELIEVED = 30_000;

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
 * The hosts to ask for a registry's content, in order: its mirrors, where some are configured, and the registry itself. The
 * files that say so are looked at again now and then, when somebody asks.
 * @throws StoreError `hosts-invalid`; OciError `reference-invalid`
 */
export async function hostsFor(registry: string, options: RemoteOptions): Promise<readonly RemoteHost[]> {
  const { configured } = knownBy(options);
  let looked = configured.get(registry);
  const now = performance.now();
  if (looked === undefined || now - looked.at >= (options.hosts?.believed ?? BELIEVED)) {
    const found = lookUp(registry, options, looked?.found);
    looked = { at: now, found };
    configured.set(registry, looked);
    found.catch(() => configured.delete(registry));
  }
  return (await looked.found).hosts;
}

async function lookUp(
  registry: string,
  options: RemoteOptions,
  looked: Promise<Found> | undefined,
): Promise<Found> {
  const before = await looked?.catch(() => undefined);
  const plainHttp = isPlain(registry, options.plainHttp ?? [], false);
  let found: readonly Endpoint[] | undefined;
  try {
    found = await options.hosts?.endpoints(registry, plainHttp);
  } catch (error) {
    if (before === undefined) throw error;
    const problem = messageOf(error);
    if (problem !== before.problem) options.tell?.(stillBelieved(registry, problem));
    return { ...before, problem };
  }
  const endpoints = textOf(found);
  if (before?.endpoints === endpoints) return { hosts: before.hosts, endpoints };
  return { hosts: hostsOf(found, registry, options), endpoints };
}

function hostsOf(
  endpoints: readonly Endpoint[] | undefined,
  registry: string,
  options: RemoteOptions,
): readonly RemoteHost[] {
  if (endpoints === undefined) return [hostFor(registry, options)];
  return endpoints.map((endpoint, n) => {
    const last = n === endpoints.length - 1;
    return new RemoteHost(endpoint, last ? options : impatient(options));
  });
}

function textOf(endpoints: readonly Endpoint[] | undefined): string {
  return JSON.stringify(endpoints ?? [], (_name, value) => (value instanceof Set ? [...value] : value));
}

/** Who serves does not end for a file that is being edited. */
function stillBelieved(registry: string, problem: string): Finding {
  const message = `${problem}; what was configured for ${registry} before still counts`;
  return { code: "hosts-invalid", severity: "warning", subject: registry, message, fix: ["mend the file"] };
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
