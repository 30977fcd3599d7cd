import { AsyncLocalStorage } from "node:async_hooks";
import { join } from "node:path";
import {
  type Call,
  formatCount,
  type HttpHandler,
  type HttpRequest,
  quietCall,
  silent,
} from "../base/index.ts";
import { isHub } from "../hosts/index.ts";
import { type Backing, errorAnswer, failureAnswer, RegistryError } from "../registry/index.ts";
import type { RemoteOptions } from "../remote/index.ts";
import { openMirrorCache } from "./cache.ts";
import { Downloads } from "./downloads.ts";
import { type MirrorFigures, Tally } from "./figures.ts";
import { Once } from "./once.ts";
import { Outages } from "./outages.ts";
import { mirrorRepository, type Shared } from "./repository.ts";
import { MirrorTags } from "./tags.ts";
import { type Upstream, upstreamsOf } from "./upstream.ts";

/** A registry that fetches what it does not have from other registries, and keeps it for the next who asks. */
export interface MirrorOptions {
  /**
   * The registries behind it, as users write them: `docker.io`, `ghcr.io`, `registry.example:5000`. A client says which it means with
   * the query `?ns=` (as containerd does), or with the first part of the name (`/v2/ghcr.io/team/app/…`); else it is the first.
   */
  readonly upstreams: readonly string[];
  /** How the upstreams are talked to: credentials, proxies, certificates. Mirrors of theirs are passed over: one may be us. */
  readonly remote?: RemoteOptions;
  /** How many bytes are kept, the least recently used go first. Default: no limit but the disk's. */
  readonly cacheSize?: number;
  /** How long a tag is believed without asking the upstream again, in milliseconds. Default 60 s. */
  readonly freshFor?: number;
  /** How long a client waits for an upstream that may confirm what we have, in milliseconds. Default 5 s. */
  readonly staleAfter?: number;
  /** Told what operators want to know: an upstream that is down or limits us, content that is served stale. */
  readonly say?: (sentence: string) => void;
}

const FRESH_FOR = 60_000;
const STALE_AFTER = 5_000;

/**
 * A pull-through mirror: a backing whose repositories are those of the upstreams, `UPSTREAM/NAME`, filled as they are asked for.
 * What it keeps lies in the local backing as in any other registry, which can be served without the upstreams too. Nothing can
 * be pushed to it: the registry over it has to be read-only.
 */
export interface Mirror extends Backing {
  /** What is there already: for pages, measures and garbage collection, which must not ask the upstreams. */
  readonly local: Backing;
  /** Puts the upstream that a request means into its path, and says in the answer where content is stale. */
  handle(request: HttpRequest, next: HttpHandler): ReturnType<HttpHandler>;
  /** What it has done since its start. */
  figures(): MirrorFigures;
}

/**
 * Opens a mirror over a backing, which stays its caller's to close.
 *
 * @param dir where it remembers what was used last; without one, in memory
 * @throws RegistryError `upstream-invalid`
 */
export async function openMirror(local: Backing, options: MirrorOptions, dir?: string): Promise<Mirror> {
  const upstreams = upstreamsOf(options.upstreams, options.remote ?? {});
  const say = options.say ?? (() => {});
  const cache = await openMirrorCache(local, {
    path: dir === undefined ? undefined : join(dir, "_mirror.db"),
    limit: options.cacheSize ?? Number.POSITIVE_INFINITY,
    prefixes: upstreams.map(({ folder }) => folder),
    say,
  });
  await forgetUnfinished(local, upstreams);
  await tellHidden(local, upstreams, say);
  const ended = new AbortController();
  // That an upstream makes us wait is for its operator to know.
  const lifetime: Call = { signal: ended.signal, progress: { ...silent, say } };
  const tally = new Tally();
  const notes = new AsyncLocalStorage<string[]>();
  const outages = new Outages(say);
  const shared: Shared = {
    local,
    cache,
    tally,
    manifests: new Once(),
    downloads: new Downloads(local, cache, tally, lifetime),
    tags: new MirrorTags({
      freshFor: options.freshFor ?? FRESH_FOR,
      staleAfter: options.staleAfter ?? STALE_AFTER,
      stale(what, why) {
        tally.stale();
        say(`${what} is served as it was: ${why}`);
        notes.getStore()?.push(`${what} may be out of date: its registry cannot be asked`);
      },
      partial(what, why) {
        tally.stale();
        say(`${what} has only what is kept here: ${why}`);
        notes.getStore()?.push(`${what} is partial: it has only what this mirror keeps`);
      },
      missing: (what, why) => outages.tell(what, why),
    }),
    outages,
    lifetime,
  };

  return {
    local,
    figures: () => tally.figures(cache.size),
    origin: `the mirror of ${options.upstreams.join(", ")} over ${local.origin}`,
    async find(name) {
      const at = split(name, upstreams);
      return at === undefined ? undefined : mirrorRepository(name, at.upstream.open(at.name), shared);
    },
    create: refuse,
    discard: async () => false,
    names: (call) => local.names(call),
    link: async () => false,
    spool: refuse,
    unfinished: async () => [],
    room: () => local.room(),
    async handle(request, next) {
      const said: string[] = [];
      const answer = await notes.run(said, async () => {
        const meant = addressed(request, upstreams);
        return meant instanceof RegistryError ? (errorAnswer(meant) ?? failureAnswer()) : await next(meant);
      });
      if (said.length === 0) return answer;
      const warning = said.map((text) => `299 - "${text.replace(/[^\x20-\x7e]|["\\]/g, "?")}"`).join(", ");
      return { ...answer, headers: { ...answer.headers, warning } };
    },
    async [Symbol.asyncDispose]() {
      ended.abort();
      await shared.downloads[Symbol.asyncDispose]();
      await shared.tags[Symbol.asyncDispose]();
      await shared.manifests.settled();
      await cache[Symbol.asyncDispose]();
    },
  };
}

async function refuse(): Promise<never> {
  throw new RegistryError("read-only", "this registry mirrors others: push there");
}

/** Downloads of a mirror that was killed: they are of no use without it. Uploads of others stay. */
async function forgetUnfinished(local: Backing, upstreams: readonly Upstream[]): Promise<void> {
  for (const left of await local.unfinished(quietCall())) {
    if (split(left.name, upstreams) === undefined) await left.spool.close();
    else await left.spool[Symbol.asyncDispose]();
  }
}

/** Repositories that were pushed to the folder, or came from an upstream that is not named any more (docs/adr/0117). */
async function tellHidden(
  local: Backing,
  upstreams: readonly Upstream[],
  say: (sentence: string) => void,
): Promise<void> {
  const hidden: string[] = [];
  for await (const name of local.names(quietCall()))
    if (split(name, upstreams) === undefined) hidden.push(name);
  if (hidden.length === 0) return;
  const which = hidden.length > 3 ? `${hidden.slice(0, 3).join(", ")}, …` : hidden.join(", ");
  say(
    `warning: a mirror gives what its upstreams have: ${formatCount(hidden.length, "repository", "repositories")} of ${local.origin} cannot be pulled meanwhile (${which})`,
  );
}

/** The upstream and its repository in a name of ours. */
function split(
  name: string,
  upstreams: readonly Upstream[],
): { upstream: Upstream; name: string } | undefined {
  const slash = name.indexOf("/");
  const upstream = slash < 0 ? undefined : upstreams.find(({ folder }) => folder === name.slice(0, slash));
  return upstream === undefined ? undefined : { upstream, name: name.slice(slash + 1) };
}

/** The request, with the upstream's name before the repository's; or why there is none. */
function addressed(request: HttpRequest, upstreams: readonly Upstream[]): HttpRequest | RegistryError {
  const match = /^\/v2\/(.+)\/((?:manifests|blobs|tags|referrers)\/.*)$/.exec(request.path);
  const [, name = "", rest = ""] = match ?? [];
  if (match === null) return request;
  const ns = request.query.get("ns");
  const at = ns === null ? split(name, upstreams) : undefined;
  const upstream = at?.upstream ?? (ns === null ? upstreams[0] : meant(ns, upstreams));
  if (upstream === undefined) {
    const known = upstreams.map(({ registry }) => registry).join(", ");
    const what = `this registry does not mirror ${JSON.stringify(ns?.slice(0, 200))}`;
    return new RegistryError("name-unknown", what, { hint: `it mirrors ${known}` });
  }
  const bare = at?.name ?? name;
  // Docker Hub's own images have no first part where users write them.
  const whole = isHub(upstream.registry) && !bare.includes("/") ? `library/${bare}` : bare;
  return { ...request, path: `/v2/${upstream.folder}/${whole}/${rest}` };
}

function meant(ns: string, upstreams: readonly Upstream[]): Upstream | undefined {
  return upstreams.find(({ registry }) => registry === ns || (isHub(registry) && isHub(ns)));
}
