import { BlockList, isIP } from "node:net";
import { literalAddress } from "./address.ts";
import { BaseError } from "./errors.ts";
import { hostName, isLoopback } from "./same-origin.ts";

/** Variables as in `process.env`. */
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
    if (isIP(entry) !== 0) return inBlock(host, `${entry}/${isIP(entry) === 4 ? 32 : 128}`);
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
  const pair = `${decoded(proxy.username)}:${decoded(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** A "%" that begins no encoding stands for itself: people paste passwords as they are. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll("%", ""), "hex").toString(),
  );
}
