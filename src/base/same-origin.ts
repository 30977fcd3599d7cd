import { isIP } from "node:net";
import { BaseError } from "./errors.ts";

/** Who may speak to a server that trusts its own machine: the defence against DNS rebinding and foreign pages. */
export interface Admission {
  /** Host names or addresses (no port) that are ours beside the loopback ones. */
  readonly hosts: ReadonlySet<string>;
  /** Origins (`https://name[:port]`) whose pages may call us. */
  readonly origins: ReadonlySet<string>;
}

/**
 * Checks `Host`, `Origin` and `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/) of a request.
 * A program sends neither of the last two, so it only has to name us rightly.
 *
 * @throws BaseError `host-refused`, `origin-refused`
 */
export function admit(
  headers: ReadonlyMap<string, string>,
  authority: string | undefined,
  scheme: "http" | "https",
  admission: Admission,
): void {
  admitHost(authority, admission.hosts);
  const origin = headers.get("origin");
  if (origin !== undefined && admission.origins.has(origin)) return;
  // Another port of this machine is "same-site", yet a stranger to us.
  const site = headers.get("sec-fetch-site") ?? "none";
  const own = origin === undefined || origin.toLowerCase() === `${scheme}://${authority?.toLowerCase()}`;
  if (own && (site === "none" || site === "same-origin")) return;
  throw new BaseError("origin-refused", `pages of ${origin ?? "another site"} may not call this server`);
}

/** Checks `Host` alone. @throws BaseError `host-refused` */
export function admitHost(authority: string | undefined, hosts: Admission["hosts"]): void {
  const host = hostName(authority ?? "");
  if (host !== undefined && (isLoopback(host) || hosts.has(host))) return;
  const asked = (authority || "(none)").slice(0, 300);
  throw new BaseError("host-refused", `this server does not answer for the host ${asked}`, {
    hint: `use the address that it printed at its start, or start it with --allow-host ${host ?? "NAME"}`,
  });
}

/**
 * Whether a person follows a link to us: the browser shows the answer to them, and the page that has the link learns
 * nothing of it. Browsers alone say this, and pages cannot.
 */
export function isNavigation(headers: ReadonlyMap<string, string>): boolean {
  return (
    headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document" &&
    !headers.has("origin")
  );
}

/** The host in `host[:port]`, in lower case and without brackets; undefined where it is not written so. */
export function hostName(authority: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(authority);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** Whether a host, as {@link hostName} gives it, can only mean this machine (RFC 6761, section 6.3). */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host === "localhost" || host.endsWith(".localhost");
}
