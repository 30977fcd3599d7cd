import { BaseError, errno, ImgvolError, isAbort, messageOf } from "./errors.ts";

const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO)/;
const PLAIN_ANSWER = /wrong version number|packet length too long|http request/i;

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
      return failed(`${host} closed the connection too early`, error, "try again");
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

function tlsFailed(host: string, code: string, cause: unknown): BaseError {
  if (answeredInPlain(cause)) {
    return new BaseError("tls-failed", `${host} speaks plain HTTP, not HTTPS`, { cause });
  }
  return new BaseError(
    "tls-failed",
    `${host}: its certificate or TLS was not accepted: ${messageOf(cause)} (${code})`,
    {
      hint: "if a company's own authority signed it, name its PEM file in SSL_CERT_FILE",
      cause,
    },
  );
}

/** Whether an error, or its cause, means that plain HTTP was heard where TLS was spoken. */
export function answeredInPlain(error: unknown): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 4; e = e.cause, depth++) {
    const code = errno(e) ?? "";
    if (
      (code === "EPROTO" || code.startsWith("ERR_SSL_")) &&
      PLAIN_ANSWER.test(`${e.message} ${code.replaceAll("_", " ")}`)
    )
      return true;
  }
  return false;
}
