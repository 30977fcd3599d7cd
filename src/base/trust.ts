import { readFileSync } from "node:fs";
import type { SecureContext } from "node:tls";
import { BaseError, messageOf } from "./errors.ts";
import { nodeTls } from "./node-http.ts";
import type { Environment } from "./proxy.ts";

/**
 * Whom HTTPS trusts: Node.js's own authorities (with `NODE_EXTRA_CA_CERTS`), and those of `SSL_CERT_FILE`, or of the
 * system's store where that is not set. A company's own authority is often in the system's store only.
 *
 * @throws BaseError `tls-failed` where `SSL_CERT_FILE` cannot be read
 */
export function trust(env: Environment): SecureContext {
  const { createSecureContext, getCACertificates } = nodeTls();
  const file = env["SSL_CERT_FILE"];
  const own = file ? [readAuthorities(file)] : getCACertificates("system");
  return createSecureContext({
    ca: [...new Set([...getCACertificates("default"), ...own])],
    minVersion: "TLSv1.2",
  });
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
