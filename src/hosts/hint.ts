import { answeredInTls, errno, hostName, isLoopback, tlsProblem } from "../base/index.ts";
import type { Endpoint } from "./endpoint.ts";

const folderFor = (registry: string): string => `~/.config/containers/certs.d/${registry}/`;

/** Where the certificates that a registry needs belong, where that is what an error is about. */
export function certificateHint(error: Error, { registry, api, own }: Endpoint): string | undefined {
  const folder = folderFor(registry);
  const shown = (own?.client ?? []).map(({ from }) => from ?? "").join(", ");
  switch (tlsProblem(error)) {
    case "unknown-authority":
      return `save its authority's certificate (PEM) as ${folder}ca.crt, or name it in SSL_CERT_FILE`;
    case "client-certificate-wanted":
      if (shown !== "") return `it did not take the client certificate ${shown}: another may be wanted`;
      return `put a client certificate and its key (PEM) into ${folder} as client.cert and client.key`;
    case "client-certificate-refused":
      return `check ${shown || `the .cert and .key in ${folder}`}: another may be wanted, or this one has expired`;
    default:
      // The alert that says why is lost where the server closes right behind it.
      if (shown === "" || api.protocol !== "https:" || !hungUp(error)) return undefined;
      return `it may have refused the client certificate ${shown}: another may be wanted, or this one has expired`;
  }
}

/** That a registry on this machine may speak TLS, where its answer to plain HTTP was bytes of that, or none at all. */
export function protocolHint(error: Error, { registry, api }: Endpoint, met: boolean): string | undefined {
  if (api.protocol !== "http:" || met) return undefined;
  if (answeredInTls(error)) return httpsHint(registry);
  return hungUp(error) ? httpsHint(registry) : undefined;
}

/** How to say that a registry speaks HTTPS. */
export function httpsHint(registry: string): string {
  if (!isLoopback(hostName(registry) ?? "")) return "if it speaks HTTPS, leave out --plain-http";
  return `if it speaks HTTPS, write server = "https://${registry}" into ${folderFor(registry)}hosts.toml (ca = "ca.crt" for an authority of its own)`;
}

function hungUp(error: Error): boolean {
  return error.cause instanceof Error && ["ECONNRESET", "EPIPE"].includes(errno(error.cause) ?? "");
}
