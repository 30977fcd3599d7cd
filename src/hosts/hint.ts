import { join } from "node:path";
import { answeredInTls, errno, hostName, isLoopback, tlsProblem } from "../base/index.ts";
import type { Endpoint } from "./endpoint.ts";

/** What hints about a registry's connection are made of. */
export interface Reached {
  readonly endpoint: Endpoint;
  /** Whether it has ever answered in HTTP. */
  readonly met: boolean;
  /** The folder that would be made for the registry's certificates; undefined where none is looked for. */
  readonly place: string | undefined;
}

/** Where the certificates that a registry needs belong, where that is what an error is about. */
export function certificateHint(error: Error, { endpoint, place }: Reached): string | undefined {
  const shown = (endpoint.own?.client ?? []).map(({ from }) => from ?? "").join(", ");
  switch (tlsProblem(error)) {
    case "unknown-authority":
      return authorityHint(endpoint, place);
    case "client-certificate-wanted":
      if (shown !== "") return `it did not take the client certificate ${shown}: another may be wanted`;
      return clientHint(endpoint, place);
    case "client-certificate-refused":
      return `check ${shown || "the client certificate"}: another may be wanted, or this one has expired`;
    default:
      // The alert that says why is lost where the server closes right behind it.
      if (shown === "" || endpoint.api.protocol !== "https:" || !hungUp(error)) return undefined;
      return `it may have refused the client certificate ${shown}: another may be wanted, or this one has expired`;
  }
}

function authorityHint(endpoint: Endpoint, place: string | undefined): string | undefined {
  const { files, own } = endpoint;
  const folder = files?.folder ?? place;
  if (folder === undefined) return undefined;
  const file = join(folder, "ca.crt");
  if (files?.toml === true) {
    const named = (own?.ca?.length ?? 0) > 0 ? "which names another authority's: " : "";
    return `save its authority's certificate (PEM) as ${file}, and write it into the hosts.toml beside it, ${named}ca = "ca.crt" ${within(endpoint)}`;
  }
  if ((own?.ca?.length ?? 0) > 0)
    return `no .crt in ${folder} is its authority's: save that (PEM) there, as ca.crt`;
  return `save its authority's certificate (PEM) as ${file}, or name it in SSL_CERT_FILE`;
}

function clientHint(endpoint: Endpoint, place: string | undefined): string | undefined {
  const { files } = endpoint;
  const folder = files?.folder ?? place;
  if (folder === undefined) return undefined;
  const put = `put a client certificate and its key (PEM) into ${folder} as client.cert and client.key`;
  if (files?.toml !== true) return put;
  return `${put}, and write into the hosts.toml there: client = [["client.cert", "client.key"]] ${within(endpoint)}`;
}

/** Where in a hosts.toml a host's fields stand. */
function within({ mirrorOf, api }: Endpoint): string {
  return mirrorOf === undefined ? "above its first [host]" : `below [host."${api.origin}"]`;
}

/** That a registry on this machine may speak TLS, where its answer to plain HTTP was bytes of that, or none at all. */
export function protocolHint(error: Error, at: Reached): string | undefined {
  if (at.endpoint.api.protocol !== "http:" || at.met) return undefined;
  return answeredInTls(error) || hungUp(error) ? httpsHint(at) : undefined;
}

/** How to say that a registry speaks HTTPS. */
export function httpsHint({ endpoint, place }: Pick<Reached, "endpoint" | "place">): string {
  const { registry, files, mirrorOf } = endpoint;
  if (files?.toml === true) {
    const line = mirrorOf === undefined ? `server = "https://${registry}"` : `[host."https://${registry}"]`;
    return `if it speaks HTTPS, write ${line} into ${join(files.folder, "hosts.toml")}`;
  }
  if (!isLoopback(hostName(registry) ?? "")) return "if it speaks HTTPS, leave out --plain-http";
  const folder = files?.folder ?? place;
  if (folder === undefined)
    return `if it speaks HTTPS, a folder of certs.d has to say so, and IMGVOL_HOSTS_DIR names none`;
  return `if it speaks HTTPS, save its authority's certificate (PEM) as ${join(folder, "ca.crt")}, or, where that is known here already, write server = "https://${registry}" into ${join(folder, "hosts.toml")}`;
}

function hungUp(error: Error): boolean {
  return error.cause instanceof Error && ["ECONNRESET", "EPIPE"].includes(errno(error.cause) ?? "");
}
