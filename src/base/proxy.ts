import http from "node:http";
import https from "node:https";
import { BlockList, isIP, type Socket } from "node:net";
import { literalAddress } from "./address.ts";
import { BaseError, messageOf } from "./errors.ts";
import { hostName, isLoopback } from "./same-origin.ts";

/** The variables that name proxies, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL, by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (or their lower-case forms, which win); undefined
 * to connect directly. Loopback hosts are never proxied.
 *
 * @throws BaseError `connection-failed` where the variable is not a proxy's URL
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = env[name.toLowerCase()] || env[name];
  if (!value || isLoopback(hostName(url.host) ?? "") || excluded(url, env["no_proxy"] || env["NO_PROXY"]))
    return undefined;
  const text = value.includes("://") ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy?.protocol === "http:" || proxy?.protocol === "https:") return proxy;
  // The value may hold a password: it is not repeated.
  throw new BaseError("connection-failed", `${name} is not the URL of an HTTP proxy`, {
    hint: `write ${name}=http://host:port`,
  });
}

/** `NO_PROXY`: a list of `*`, names (their subdomains too), addresses and CIDR blocks, each with an optional port. */
function excluded(url: URL, list: string | undefined): boolean {
  if (!list) return false;
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === "" || entry === "*") return entry === "*";
    if (entry.includes("/")) return inBlock(host, entry);
    const [, name = "", only] = /^(.*?|\[.*\])(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (isIP(entry) !== 0) return literalAddress(host) === entry.toLowerCase();
    if (only !== undefined && only !== port) return false;
    const suffix = name.replace(/^\*?\./, "");
    return suffix !== "" && (host === suffix || host.endsWith(`.${suffix}`));
  });
}

function inBlock(host: string, cidr: string): boolean {
  const [net = "", bits = ""] = cidr.split("/");
  const address = literalAddress(host);
  const family = isIP(net);
  if (address === undefined || family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(bits))
    return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const block = new BlockList();
  block.addSubnet(net, Number(bits), type);
  return block.check(address, type);
}

/** The `Proxy-Authorization` that a proxy's URL asks for with its user and password. */
export function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === "") return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

const CONNECT_TIMEOUT = 30_000;

/** Agent for https URLs behind a proxy: asks it for a tunnel (RFC 9110, section 9.3.6) and speaks TLS through that. */
export class TunnelAgent extends https.Agent {
  readonly #proxy: URL;

  constructor(proxy: URL, options: https.AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, socket: never) => void,
  ): undefined {
    const done = callback as ((error: Error | null, socket?: unknown) => void) | undefined;
    openTunnel(this.#proxy, `${options.host}:${options.port}`).then(
      (socket) => {
        try {
          const { host: servername } = options;
          const name = servername && isIP(servername) === 0 ? { servername } : {};
          done?.(null, super.createConnection({ ...name, ...options, ...{ socket } }));
        } catch (error) {
          done?.(error as Error);
        }
      },
      (error: Error) => done?.(error),
    );
    return undefined;
  }
}

function openTunnel(proxy: URL, authority: string): Promise<Socket> {
  const what = `the proxy ${proxy.host}`;
  const hint = "check HTTPS_PROXY and NO_PROXY";
  const connect = (proxy.protocol === "https:" ? https : http).request({
    host: literalAddress(proxy.hostname) ?? proxy.hostname,
    port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...proxyAuthorization(proxy) },
    timeout: CONNECT_TIMEOUT,
    agent: false,
  });
  return new Promise((resolve, reject) => {
    const refuse = (status: number | undefined): void => {
      const next = status === 407 ? "put user:password@ into the proxy's URL" : hint;
      const message = `${what} refused a tunnel to ${authority}: ${status}`;
      reject(new BaseError("connection-failed", message, { hint: next }));
    };
    connect.once("connect", (response, socket, head) => {
      if (response.statusCode === 200 && head.length === 0) return resolve(socket as Socket);
      socket.destroy();
      refuse(response.statusCode);
    });
    connect.once("response", (response) => {
      response.destroy();
      refuse(response.statusCode);
    });
    connect.once("timeout", () => connect.destroy(new Error("no answer")));
    connect.once("error", (cause) => {
      const message = `cannot reach ${what} for ${authority}: ${messageOf(cause)}`;
      reject(new BaseError("connection-failed", message, { hint, cause }));
    });
    connect.end();
  });
}
