import {
  answeredInPlain,
  BaseError,
  collect,
  discard,
  isAbort,
  isTemporary,
  printable,
  type Response,
  retryAfter,
} from "../base/index.ts";
import { isObject, type StoreCode, StoreError } from "../oci/index.ts";
import { type Authorization, type Credentials, withoutSecrets } from "./auth-credentials.ts";
import type { Verdict } from "./auth-verdict.ts";
import type { Endpoint } from "./hosts-endpoint.ts";
import { certificateHint, httpsHint, protocolHint } from "./hosts-hint.ts";

/** An answer of a registry that is not the one hoped for. */
export class Refusal extends StoreError {
  readonly status: number;
  /** The registry's own codes, such as `BLOB_UNKNOWN` (distribution-spec, "Error Codes"). */
  readonly codes: readonly string[];
  /** How long the registry asks us to wait, in milliseconds. */
  readonly retryAfter: number | undefined;
  /** Whether it is a limit on how often one may ask that is reached, and not one of another kind. */
  readonly tooOften: boolean;
  /** Whether the same request may succeed later. */
  readonly transient: boolean;

  constructor(
    code: StoreCode,
    message: string,
    more: {
      hint?: string;
      cause?: unknown;
      status: number;
      codes: readonly string[];
      retryAfter: number | undefined;
      tooOften: boolean;
      /** Meanwhile we can offer better credentials. */
      reauthorized: boolean;
    },
  ) {
    super(code, message, more);
    this.status = more.status;
    this.codes = more.codes;
    this.retryAfter = more.retryAfter;
    this.tooOften = more.tooOften;
    this.transient = more.reauthorized || isTemporary(more.status);
  }
}

const ERROR_LIMIT = 64 * 1024;
const CODES: Readonly<Record<number, StoreCode>> = {
  401: "unauthorized",
  403: "denied",
  404: "not-found",
  429: "rate-limited",
};

/** What is known of a refused request, beside the answer. */
export interface Refused {
  readonly registry: string;
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
  const hint = verdict?.hint ?? hintFor(response, registry, told, sent?.as);
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
  registry: string,
  told: Told,
  as: Credentials | undefined,
): string | undefined {
  // What servers of TLS say in plain HTTP is no registry's form of an error.
  if (status === 400 && url.protocol === "http:" && told.codes.length === 0) return httpsHint(registry);
  if (isReadOnly(status, told))
    return "the registry takes no changes of this kind; no login helps: push elsewhere";
  if (status === 404) return "check the name, the tag, and that you may read it";
  if (status === 407)
    return "the proxy wants a user and a password that it knows: user:password@ in HTTP_PROXY";
  if (status === 413) return "the registry, or a proxy before it, limits how large an upload may be";
  if (status === 429) return rateHint(registry, told, as);
  return status >= 500 ? "the registry has a problem of its own; try again later" : undefined;
}

/** Public registries let those who are logged in ask for more, and some of those who pay for all. */
export function rateHint(registry: string, told: Told, as: Credentials | undefined): string {
  const { retryAfter, tooOften } = told;
  const wait = retryAfter === undefined ? "later" : `in ${Math.ceil(retryAfter / 1000)} s`;
  if (!tooOften) return `try again ${wait}`;
  if (as !== undefined) return `try again ${wait}; this is the limit of the account that is logged in`;
  return `try again ${wait}, or log in for a higher limit: \`imgvol login ${registry} -u NAME --password-stdin\``;
}

/** What an answer of refusal says. */
export interface Told {
  /** The server's own codes. */
  readonly codes: readonly string[];
  readonly retryAfter: number | undefined;
  /** Whether it speaks of a limit on requests or pulls; 429 is said of other limits too. */
  readonly tooOften: boolean;
  /** Its reasons, for a message: ` (CODE: sentence; …)`, or nothing. */
  readonly inBrackets: string;
}

/** Reads the body of a refusal. `redact` takes out what nobody may read: some servers repeat the request. */
export async function readRefusal(response: Response, redact: (text: string) => string): Promise<Told> {
  const told = await readErrors(response);
  const reasons = told.slice(0, 3).map((e) => printable(redact(reasonOf(e))).slice(0, 300));
  const limit = response.status === 429 ? limitOf(response.headers) : undefined;
  if (limit !== undefined) reasons.push(limit);
  return {
    codes: told.map((e) => e.code),
    retryAfter: retryAfter(response.headers),
    tooOften: limitsRate(response.headers) || told.some((e) => RATE.test(e.message)),
    inBrackets: reasons.length > 0 ? ` (${reasons.join("; ")})` : "",
  };
}

const RATE = /\brate\b|\bratelimit|\bpulls?\b/i;

function limitsRate(headers: ReadonlyMap<string, string>): boolean {
  return [...headers.keys()].some((name) => /^(?:x-|docker-)?ratelimit-/.test(name));
}

/** `100;w=21600`: Docker Hub's word for how many pulls it allows in how many seconds. */
function limitOf(headers: ReadonlyMap<string, string>): string | undefined {
  const match = /^(\d{1,9});\s*w=(\d{1,9})$/.exec(headers.get("ratelimit-limit") ?? "");
  if (match === null) return undefined;
  return `the limit is ${match[1]} in ${Number(match[2]) / 3600} h`;
}

interface OneError {
  readonly code: string;
  readonly message: string;
}

function reasonOf({ code, message }: OneError): string {
  return message === "" ? code : `${code}: ${message}`;
}

async function readErrors(response: Response): Promise<OneError[]> {
  try {
    const bytes = await collect(response.body, ERROR_LIMIT, "the error");
    const answer: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (!isObject(answer)) return [];
    const errors = answer["errors"];
    // Token servers answer as OAuth2 has it (RFC 6749, section 5.2).
    if (!Array.isArray(errors) && typeof answer["error"] === "string") {
      return [{ code: answer["error"], message: textOf(answer["error_description"], "") }];
    }
    return (Array.isArray(errors) ? errors : []).filter(isObject).map((e) => ({
      code: textOf(e["code"], "UNKNOWN"),
      message: textOf(e["message"], ""),
    }));
  } catch (error) {
    if (isAbort(error)) throw error;
    // Not the registry's form of an error (a proxy's page, say): the status has to do.
    await discard(response);
    return [];
  }
}

function textOf(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

/** Whom an error of the connection is about. */
export interface Unreached {
  readonly registry: string;
  readonly endpoint: Endpoint;
  /** Whether it has ever answered in HTTP. */
  readonly met: boolean;
}

/** Says of an error of the connection which registry it was about; any other comes back as it is. */
export function asUnreachable(error: unknown, at: Unreached): unknown {
  if (!(error instanceof BaseError)) return error;
  if (!["connection-failed", "proxy-refused", "tls-failed", "timeout"].includes(error.code)) return error;
  const { registry } = at;
  const plain = answeredInPlain(error);
  const hint = plain
    ? `if that is meant to be so, use \`--plain-http ${registry}\``
    : (certificateHint(error, at.endpoint) ?? protocolHint(error, at.endpoint, at.met) ?? error.hint);
  const message = `cannot talk to ${registry}: ${error.message}`;
  const more = { ...(hint === undefined ? {} : { hint }), cause: error };
  if (error.code === "tls-failed" && !plain) return new BaseError("tls-failed", message, more);
  return new StoreError("registry-unreachable", message, more);
}
