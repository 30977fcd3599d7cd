import { BaseError, errno, messageOf } from "./errors.ts";

/** What TLS did not accept; where it is known, what to do about it can be said. */
export type TlsProblem =
  | "unknown-authority"
  | "expired"
  | "not-yet-valid"
  | "wrong-name"
  | "wrong-purpose"
  | "client-certificate-wanted"
  | "client-certificate-refused";

const PLAIN_ANSWER = /wrong version number|packet length too long|http request/i;

/** OpenSSL's words (X509_V_ERR_…, and the alerts of RFC 8446, section 6.2), and the problem they mean. */
const PROBLEMS: readonly (readonly [RegExp, TlsProblem])[] = [
  [
    /^(?:UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_UNTRUSTED|INVALID_CA)/,
    "unknown-authority",
  ],
  [/^CERT_HAS_EXPIRED$/, "expired"],
  [/^CERT_NOT_YET_VALID$/, "not-yet-valid"],
  [/^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/, "wrong-name"],
  [/^INVALID_PURPOSE$/, "wrong-purpose"],
  [/^ERR_SSL_.*ALERT_CERTIFICATE_REQUIRED$/, "client-certificate-wanted"],
  // TLS 1.2 has no alert of its own for it.
  [/^ERR_SSL_.*ALERT_HANDSHAKE_FAILURE$/, "client-certificate-wanted"],
  [
    /^ERR_SSL_.*ALERT_(?:BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED)$/,
    "client-certificate-refused",
  ],
];

const TELL: Readonly<Record<TlsProblem, readonly [message: string, hint: string]>> = {
  "unknown-authority": [
    "its certificate is signed by an authority that is not known here",
    "if it is your company's own, name its PEM file in SSL_CERT_FILE, or add it to the system's store",
  ],
  expired: ["its certificate has expired", "it has to be renewed there; is this machine's clock right?"],
  "not-yet-valid": ["its certificate is not valid yet", "is this machine's clock right?"],
  "wrong-name": ["its certificate is for another host", "use a name that the certificate has"],
  "wrong-purpose": [
    "its certificate is not one for servers",
    "it has to be issued anew, with serverAuth as its extended key usage",
  ],
  "client-certificate-wanted": [
    "it wants a client certificate, or no TLS that we speak",
    "a certificate and its key have to be configured for this host",
  ],
  "client-certificate-refused": [
    "it refused our client certificate",
    "it may have expired, or be signed by another authority than the server wants",
  ],
};

/** What TLS did not accept, as far as it can be told from an error or its causes. */
export function tlsProblem(error: unknown): TlsProblem | undefined {
  for (const e of causes(error)) {
    const code = errno(e) ?? "";
    const problem = PROBLEMS.find(([pattern]) => pattern.test(code))?.[1];
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The coded error for a failure of TLS with `host`. */
export function tlsFailed(host: string, code: string, cause: unknown): BaseError {
  if (answeredInPlain(cause)) {
    return new BaseError("tls-failed", `${host} speaks plain HTTP, not HTTPS`, { cause });
  }
  const problem = tlsProblem(cause);
  const [what, hint] =
    problem === undefined
      ? ["its certificate or TLS was not accepted", "check the server's certificate and its TLS versions"]
      : TELL[problem];
  return new BaseError("tls-failed", `${host}: ${what}: ${reasonOf(cause)} (${code})`, { hint, cause });
}

/** Whether an error, or its cause, means that plain HTTP was heard where TLS was spoken. */
export function answeredInPlain(error: unknown): boolean {
  return causes(error).some((e) => {
    const code = errno(e) ?? "";
    return (
      (code === "EPROTO" || code.startsWith("ERR_SSL_")) &&
      PLAIN_ANSWER.test(`${e.message} ${code.replaceAll("_", " ")}`)
    );
  });
}

/** The type of TLS's alerts and handshakes (RFC 8446, section 5.1), as the first byte of what came. */
const TLS_RECORDS: ReadonlySet<number | undefined> = new Set([0x15, 0x16]);

/** Whether an error, or its cause, means that TLS was heard where plain HTTP was spoken. */
export function answeredInTls(error: unknown): boolean {
  return causes(error).some((e) => {
    const packet = "rawPacket" in e && e.rawPacket instanceof Uint8Array ? e.rawPacket : undefined;
    return packet !== undefined && TLS_RECORDS.has(packet[0]) && packet[1] === 3;
  });
}

/** OpenSSL's reason alone, without where in its sources it arose. */
function reasonOf(cause: unknown): string {
  const message = messageOf(cause).trim();
  return /^[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):/.exec(message)?.[1] ?? message;
}

function causes(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let e: unknown = error; e instanceof Error && chain.length < 4; e = e.cause) chain.push(e);
  return chain;
}
