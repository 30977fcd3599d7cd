import { BaseError, errno, ImgvolError, isAbort, messageOf } from "./errors.ts";
import { tlsFailed } from "./tls-failure.ts";

/** Node.js's codes, and OpenSSL's for a certificate (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|CRL_|ERROR_IN_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO)/;

/**
 * Turns what went wrong on a connection into a coded error that names the host and port. Errors that are coded already, and
 * the caller's own cancelling, come back as they are.
 */
export function describeFailure(error: unknown, url: URL): unknown {
  if (error instanceof ImgvolError || isAbort(error)) return error;
  const host = `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
  const code = errno(error) ?? "";
  // Not an error of a connection: a source's own, or a defect of ours.
  if (code === "" && !(error instanceof Error && error.message.includes("connection"))) return error;
  if (code === "HPE_HEADER_OVERFLOW") {
    return new BaseError("too-large", `${host} sent headers larger than 64 KiB`, { cause: error });
  }
  if (code.startsWith("HPE_"))
    return failed(`${host} does not answer in HTTP/1.1`, error, "is it a registry or web server?");
  if (TLS_CODE.test(code)) return tlsFailed(host, code, error);
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "ENODATA":
      return failed(
        `cannot find the address of ${url.hostname}`,
        error,
        "check the host's name and the connection",
      );
    case "ECONNREFUSED":
      return failed(
        `nothing listens at ${host}`,
        error,
        "check the host and port, and that the server is up",
      );
    case "ECONNRESET":
    case "EPIPE":
    case "ERR_STREAM_PREMATURE_CLOSE":
      return failed(
        `${host} closed the connection too early`,
        error,
        // Some servers end TLS so, without a word, where a client shows no certificate.
        url.protocol === "https:"
          ? "try again; if it always does, it may want a client certificate"
          : "try again",
      );
    case "ERR_INVALID_CHAR":
    case "ERR_HTTP_INVALID_HEADER_VALUE":
      return error;
    default:
      return failed(`cannot reach ${host}: ${messageOf(error)}`, error, "check the host and the connection");
  }
}

function failed(message: string, cause: unknown, hint: string): BaseError {
  return new BaseError("connection-failed", message, { hint, cause });
}
