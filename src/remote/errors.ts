import {
  type Authorization,
  type Credentials,
  Refusal,
  rateHint,
  readRefusal,
  type Told,
  type Verdict,
  withoutSecrets,
} from "../auth/index.ts";
import { answeredInPlain, BaseError, type Response } from "../base/index.ts";
import { certificateHint, httpsHint, protocolHint, type Reached } from "../hosts/index.ts";
import { type StoreCode, StoreError } from "../oci/index.ts";

const CODES: Readonly<Record<number, StoreCode>> = {
  401: "unauthorized",
  403: "denied",
  404: "not-found",
  429: "rate-limited",
};

/** What is known of a refused request, beside the answer. */
export interface Refused {
  readonly registry: string;
  /** Where it was asked. */
  readonly at: Pick<Reached, "endpoint" | "place">;
  /** What was asked for: `host/repository: manifest 1.0`. */
  readonly what: string;
  /** What went with the request. */
  readonly sent?: Authorization | undefined;
  /** Why we are not let in, for a 401 or 403. */
  readonly verdict?: Verdict | undefined;
  /** Meanwhile we can offer better credentials. */
  readonly reauthorized?: boolean;
}

/** Reads a registry's answer of refusal. */
export async function refusal(response: Response, refused: Refused): Promise<Refusal> {
  const { status } = response;
  const { registry, what, sent, reauthorized = false } = refused;
  const told = await readRefusal(response, (text) => withoutSecrets(text, sent?.as, sent?.header));
  // Where nobody may change anything, it does not matter who we are.
  const verdict = isReadOnly(status, told) ? undefined : refused.verdict;
  const message = `${what}: ${registry} answered ${status}${told.inBrackets}`;
  const hint = verdict?.hint ?? hintFor(response, refused, told, sent?.as);
  const code = verdict?.code ?? CODES[status] ?? "registry-error";
  return new Refusal(code, verdict === undefined ? message : `${message}: ${verdict.why}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(verdict?.cause === undefined ? {} : { cause: verdict.cause }),
    status,
    ...told,
    reauthorized,
  });
}

/** Our own registry says so with a 403; distribution, also as a mirror, by not knowing the method. */
function isReadOnly(status: number, { codes, inBrackets }: Told): boolean {
  if (status === 405) return codes.includes("UNSUPPORTED");
  return status === 403 && /\bread[- ]only\b|\bmirrors others\b/i.test(inBrackets);
}

function hintFor(
  { status, url }: Response,
  { registry, at }: Refused,
  told: Told,
  as: Credentials | undefined,
): string | undefined {
  // What servers of TLS say in plain HTTP is no registry's form of an error.
  if (status === 400 && url.protocol === "http:" && told.codes.length === 0) return httpsHint(at);
  if (isReadOnly(status, told))
    return "the registry takes no changes of this kind; no login helps: push elsewhere";
  if (status === 404) return "check the name, the tag, and that you may read it";
  if (status === 407)
    return "the proxy wants a user and a password that it knows: user:password@ in HTTP_PROXY";
  if (status === 413) return "the registry, or a proxy before it, limits how large an upload may be";
  if (status === 429) return rateHint(registry, told, as);
  return status >= 500 ? "the registry has a problem of its own; try again later" : undefined;
}

/** Whom an error of the connection is about. */
export interface Unreached extends Reached {
  readonly registry: string;
}

/** Says of an error of the connection which registry it was about; any other comes back as it is. */
export function asUnreachable(error: unknown, at: Unreached): unknown {
  if (!(error instanceof BaseError)) return error;
  if (!["connection-failed", "proxy-refused", "tls-failed", "timeout"].includes(error.code)) return error;
  const { registry } = at;
  const plain = answeredInPlain(error);
  const hint = plain
    ? `if that is meant to be so, use \`--plain-http ${registry}\``
    : (certificateHint(error, at) ?? protocolHint(error, at) ?? error.hint);
  const message = `cannot talk to ${registry}: ${error.message}`;
  const more = { ...(hint === undefined ? {} : { hint }), cause: error };
  if (error.code === "tls-failed" && !plain) return new BaseError("tls-failed", message, more);
  return new StoreError("registry-unreachable", message, more);
}
