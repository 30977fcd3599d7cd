import { tlsProblem } from "../base/index.ts";

/** Where the certificates that a registry needs belong, where that is what an error of TLS is about. */
export function certificateHint(error: unknown, registry: string): string | undefined {
  const folder = `~/.config/containers/certs.d/${registry}/`;
  switch (tlsProblem(error)) {
    case "unknown-authority":
      return `save its authority's certificate (PEM) as ${folder}ca.crt, or name it in SSL_CERT_FILE`;
    case "client-certificate-wanted":
      return `put a client certificate and its key (PEM) into ${folder} as client.cert and client.key`;
    case "client-certificate-refused":
      return `check the .cert and .key in ${folder}: another may be wanted, or this one has expired`;
    default:
      return undefined;
  }
}
