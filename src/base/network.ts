import dns from "node:dns";
import type { Agent, RequestOptions, request } from "node:http";
import type { LookupFunction } from "node:net";
import { isPrivateAddress, literalAddress } from "./address.ts";
import { limitConnecting } from "./connect-timeout.ts";
import { BaseError } from "./errors.ts";
import { nodeHttp, nodeHttps } from "./node-http.ts";
import { type Environment, proxyAuthorization, proxyFor } from "./proxy.ts";
import { type OwnCertificates, trust } from "./trust.ts";
import { tunnelAgent } from "./tunnel.ts";

export interface NetworkOptions {
  /** Where `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` are looked up. Default: the process's environment. */
  readonly env?: Environment;
  /** How names become addresses. Default: the system's resolver. */
  readonly lookup?: LookupFunction;
  /** Which addresses a redirect from a public host may not lead to. Default: {@link isPrivateAddress}. */
  readonly isPrivate?: (address: string) => boolean;
}

/**
 * How one origin is reached, where that differs from all others. Its authorities are trusted wherever it sends us: a blob store or
 * token server has the same ones. All else is for this origin alone.
 */
export interface OriginOptions extends OwnCertificates {
  /** As `URL.origin` gives it. */
  readonly origin: string;
  /** Does not check who answers. */
  readonly skipVerify?: boolean;
  /** The longest wait for a connection, in milliseconds. Default: the request's idle timeout. */
  readonly connectTimeout?: number;
  /** Instead of what the environment says. */
  readonly proxy?: URL;
}

/** How a request gets to its URL: `node:http`'s options of the connection. */
export interface Route {
  readonly send: typeof request;
  readonly connection: RequestOptions;
  /** No proxy is between: the connection's far end is the URL's host. */
  readonly direct: boolean;
}

const SOCKETS = 16;
const HEADER_BYTES = 64 * 1024;

/** Connections, kept alive and bounded, and how they are made: names, proxies, trust. Idle ones keep no process up. */
export class Network implements Disposable {
  readonly isPrivate: (address: string) => boolean;
  readonly #env: Environment;
  readonly #lookup: LookupFunction;
  readonly #agents = new Map<string, Agent>();
  #secure: ReturnType<typeof trust> | undefined;
  #own: OriginOptions | undefined;
  #base: Network | undefined;
  /** Of all views. Weak: who serves for months makes a view for each renewed certificate, and what it trusts takes a megabyte. */
  #made = new Set<WeakRef<Agent>>();

  constructor(options: NetworkOptions = {}) {
    this.#env = options.env ?? process.env;
    this.#lookup = options.lookup ?? (dns.lookup as LookupFunction);
    this.isPrivate = options.isPrivate ?? isPrivateAddress;
  }

  /** The same network, that knows one origin better. Its connections end with those of this one. */
  knowing(own: OriginOptions): Network {
    const view = new Network({ env: this.#env, lookup: this.#lookup, isPrivate: this.isPrivate });
    view.#own = own;
    view.#base = this;
    view.#made = this.#made;
    return view;
  }

  /**
   * The route to `url`. With `publicOnly` a private address is refused: as it is written, and as it is resolved at the
   * moment of connecting, so that a name cannot change its mind between a check and its use.
   *
   * @throws BaseError `redirect-refused`
   */
  route(url: URL, publicOnly: boolean): Route {
    const secure = url.protocol === "https:";
    const literal = literalAddress(url.hostname);
    if (publicOnly && literal !== undefined && this.isPrivate(literal)) throw leadsInside(url.host);
    const own = this.#own?.origin === url.origin ? this.#own : undefined;
    const proxy = own?.proxy ?? proxyFor(url, this.#env);
    const connection = {
      host: literal ?? url.hostname,
      port: url.port || (secure ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host },
      maxHeaderSize: HEADER_BYTES,
      agent: this.#agent(secure, proxy, publicOnly, own),
    };
    const direct = proxy === undefined;
    if (direct || secure)
      return { send: secure ? nodeHttps().request : nodeHttp().request, connection, direct };
    return {
      send: proxy.protocol === "https:" ? nodeHttps().request : nodeHttp().request,
      direct,
      connection: {
        ...connection,
        host: literalAddress(proxy.hostname) ?? proxy.hostname,
        port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
        path: `${url.origin}${connection.path}`,
        headers: { ...connection.headers, ...proxyAuthorization(proxy) },
        agent: this.#agent(proxy.protocol === "https:", undefined, false, undefined),
      },
    };
  }

  /** Closes every connection. */
  [Symbol.dispose](): void {
    for (const made of this.#made) made.deref()?.destroy();
    this.#agents.clear();
  }

  #agent(
    secure: boolean,
    tunnel: URL | undefined,
    publicOnly: boolean,
    own: OriginOptions | undefined,
  ): Agent {
    const via = secure ? tunnel : undefined;
    const key = `${own?.origin ?? ""} ${secure} ${publicOnly} ${via?.href ?? ""}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      const options = {
        keepAlive: true,
        maxSockets: SOCKETS,
        maxFreeSockets: SOCKETS,
        lookup: publicOnly ? this.#publicLookup : this.#lookup,
      };
      if (!secure) agent = new (nodeHttp().Agent)(options);
      else {
        const secureContext = own === undefined ? this.#trust() : trust(this.#env, own);
        const tls = { ...options, secureContext, ...(own?.skipVerify ? { rejectUnauthorized: false } : {}) };
        agent = via === undefined ? new (nodeHttps().Agent)(tls) : tunnelAgent(via, tls);
      }
      if (own?.connectTimeout !== undefined) limitConnecting(agent, own.connectTimeout);
      this.#agents.set(key, agent);
      for (const made of this.#made) if (made.deref() === undefined) this.#made.delete(made);
      this.#made.add(new WeakRef(agent));
    }
    return agent;
  }

  /** For every origin but the one that is known better. */
  #trust(): ReturnType<typeof trust> {
    const ca = this.#own?.ca ?? [];
    if (this.#base !== undefined && ca.length === 0) return this.#base.#trust();
    this.#secure ??= trust(this.#env, { ca });
    return this.#secure;
  }

  readonly #publicLookup: LookupFunction = (hostname, options, callback) => {
    this.#lookup(hostname, options, (error, address, family) => {
      const found = typeof address === "string" ? [address] : (address ?? []).map((a) => a.address);
      if (error === null && found.some(this.isPrivate)) callback(leadsInside(hostname), "", 0);
      else callback(error, address, family);
    });
  };
}

let shared: Network | undefined;

/** The network of this process, made when it is first needed. */
export function processNetwork(): Network {
  shared ??= new Network();
  return shared;
}

function leadsInside(host: string): BaseError {
  return new BaseError("redirect-refused", `a public host redirects to ${host}, which is a private address`, {
    hint: "the answer may be forged; if the network is meant to be so, fetch from the private host directly",
  });
}
