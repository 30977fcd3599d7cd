import type { CredentialsProvider } from "../auth/index.ts";
import type { Finding, Network, RetryOptions } from "../base/index.ts";
import type { HostsProvider } from "../hosts/index.ts";

export type { RetryOptions };

/** How registries are talked to. Stores that were opened with one object share tokens and connections. */
export interface RemoteOptions {
  /** Who we are. Default: nobody. */
  readonly credentials?: CredentialsProvider;
  /** Mirrors and certificates by registry. Default: none. */
  readonly hosts?: HostsProvider;
  /** Registries (`host` or `host:port`) that speak plain HTTP, beside those on this machine. */
  readonly plainHttp?: readonly string[];
  /** Hears what registries want users to know: the texts of their `Warning` headers, each once. Default: nobody. */
  readonly tell?: (finding: Finding) => void;
  /** Default `imgvol`. */
  readonly userAgent?: string;
  /** The longest wait for a registry to take or give the next bytes, in milliseconds. Default 60 s. */
  readonly idleTimeout?: number;
  readonly retry?: Partial<RetryOptions>;
  /** Default: the process's. */
  readonly network?: Network;
}
