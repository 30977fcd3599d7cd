import type { RemoteOptions } from "../store/index.ts";

/** A registry that fetches what it does not have from other registries, and keeps it for the next who asks. */
export interface MirrorOptions {
  /**
   * The registries behind it, as users write them: `docker.io`, `ghcr.io`, `registry.example:5000`. A client says which it means with
   * the query `?ns=` (as containerd does), or with the first part of the name (`/v2/ghcr.io/team/app/…`); else it is the first.
   */
  readonly upstreams: readonly string[];
  /** How the upstreams are talked to: credentials, proxies, their own mirrors and certificates. */
  readonly remote?: RemoteOptions;
  /** How many bytes are kept, the least recently used go first. Default: no limit but the disk's. */
  readonly cacheSize?: number;
  /** How long a tag is believed without asking the upstream again, in milliseconds. Default 60 s. */
  readonly freshFor?: number;
  /** Told what operators want to know: an upstream that is down or limits us, content that is served stale. */
  readonly say?: (sentence: string) => void;
}
