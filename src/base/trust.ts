import { readFileSync } from "node:fs";
import type { SecureContext } from "node:tls";
import { BaseError, messageOf } from "./errors.ts";
import { nodeTls } from "./node-http.ts";
import type { Environment } from "./proxy.ts";

/** PEM texts beside those that everybody has: what one origin needs. */
export interface OwnCertificates {
  /** Authorities to trust as well. */
  readonly ca?: readonly string[];
  /** What proves who we are. Of two for keys of one kind, the first is shown. */
  readonly client?: readonly {
    readonly cert: string;
    readonly key: string;
    /** The file of the certificate, for messages. */
    readonly from?: string;
  }[];
}

/**
 * Whom HTTPS trusts: Node.js's own authorities (with `NODE_EXTRA_CA_CERTS`), and those of `SSL_CERT_FILE`, or of the
 * system's store where that is not set. A company's own authority is often in the system's store only.
 *
 * @throws BaseError `tls-failed` where `SSL_CERT_FILE` cannot be read, or a certificate of `own` cannot be used
 */
export function trust(env: Environment, own: OwnCertificates = {}): SecureContext {
  const { createSecureContext, getCACertificates } = nodeTls();
  const file = env["SSL_CERT_FILE"];
  const usual = file ? [readAuthorities(file)] : getCACertificates("system");
  // OpenSSL keeps one certificate for each kind of key: the last that it is given.
  const client = [...(own.client ?? [])].reverse();
  try {
    return createSecureContext({
      ca: [...new Set([...getCACertificates("default"), ...usual, ...(own.ca ?? [])])],
      ...(client.length === 0 ? {} : { cert: client.map((c) => c.cert), key: client.map((c) => c.key) }),
      minVersion: "TLSv1.2",
    });
  } catch (cause) {
    throw new BaseError("tls-failed", `cannot use the certificates: ${messageOf(cause)}`, {
      hint: file ? `check SSL_CERT_FILE ${file}, a PEM file` : "check the PEM files of the authorities",
      cause,
    });
  }
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new BaseError("tls-failed", `cannot read SSL_CERT_FILE ${file}: ${messageOf(cause)}`, {
      hint: "point SSL_CERT_FILE at a PEM file, or unset it",
      cause,
    });
  }
}
