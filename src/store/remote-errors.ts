import {
  answeredInPlain,
  BaseError,
  collect,
  discard,
  isAbort,
  printable,
  type Response,
} from "../base/index.ts";
import { isObject, type StoreCode, StoreError } from "../oci/index.ts";
import { loginHint } from "./auth.ts";

/** An answer of a registry that is not the one hoped for. */
export class Refusal extends StoreError {
  readonly status: number;
  /** The registry's own codes, such as `BLOB_UNKNOWN` (distribution-spec, "Error Codes"). */
  readonly codes: readonly string[];
  /** How long the registry asks us to wait, in milliseconds. */
  readonly retryAfter: number | undefined;
  /** Whether the same request may succeed later. */
  readonly transient: boolean;

  constructor(
    code: StoreCode,
    message: string,
    more: {
      hint?: string;
      status: number;
      codes: readonly string[];
      retryAfter: number | undefined;
      /** Meanwhile we can offer better credentials. */
      reauthorized: boolean;
    },
  ) {
    super(code, message, more);
    this.status = more.status;
    this.codes = more.codes;
    this.retryAfter = more.retryAfter;
    this.transient = more.reauthorized || more.status === 408 || more.status === 429 || more.status >= 500;
  }
}

const ERROR_LIMIT = 64 * 1024;
const CODES: Readonly<Record<number, StoreCode>> = {
  401: "unauthorized",
  403: "denied",
  404: "not-found",
  429: "rate-limited",
};

/** Reads a registry's answer of refusal. `what` says what was asked for: `host/repository: the manifest 1.0`. */
export async function refusal(
  response: Response,
  registry: string,
  what: string,
  reauthorized = false,
): Promise<Refusal> {
  const { status } = response;
  const told = await readErrors(response);
  const retryAfter = waitOf(response.headers.get("retry-after"));
  const reasons = told.slice(0, 3).map((e) => printable(`${e.code}: ${e.message}`).slice(0, 300));
  const message = `${what}: ${registry} answered ${status}${reasons.length > 0 ? ` (${reasons.join("; ")})` : ""}`;
  const hint = hintFor(status, registry, retryAfter);
  return new Refusal(CODES[status] ?? "registry-error", message, {
    ...(hint === undefined ? {} : { hint }),
    status,
    codes: told.map((e) => e.code),
    retryAfter,
    reauthorized,
  });
}

function hintFor(status: number, registry: string, retryAfter: number | undefined): string | undefined {
  if (status === 401) return loginHint(registry);
  if (status === 403)
    return "your account may not do this; ask the repository's owner, or log in as another user";
  if (status === 404) return "check the name, the tag, and that you may read it";
  if (status === 413) return "the registry, or a proxy before it, limits how large an upload may be";
  if (status === 429) {
    const wait = retryAfter === undefined ? "later" : `in ${Math.ceil(retryAfter / 1000)} s`;
    return `try again ${wait}, or log in: many registries limit anonymous users more`;
  }
  return status >= 500 ? "the registry has a problem of its own; try again later" : undefined;
}

async function readErrors(response: Response): Promise<{ code: string; message: string }[]> {
  try {
    const bytes = await collect(response.body, ERROR_LIMIT, "the error");
    const answer: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    const errors = isObject(answer) ? answer["errors"] : undefined;
    return (Array.isArray(errors) ? errors : []).filter(isObject).map((e) => ({
      code: typeof e["code"] === "string" ? e["code"] : "UNKNOWN",
      message: typeof e["message"] === "string" ? e["message"] : "",
    }));
  } catch (error) {
    if (isAbort(error)) throw error;
    // Not the registry's form of an error (a proxy's page, say): the status has to do.
    await discard(response);
    return [];
  }
}

/** `Retry-After` in milliseconds: seconds or a date (RFC 9110, section 10.2.3). */
function waitOf(field: string | undefined): number | undefined {
  if (field === undefined) return undefined;
  if (/^\d+$/.test(field)) return Number(field) * 1000;
  const date = Date.parse(field);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Says of an error of the connection which registry it was about; any other comes back as it is. */
export function asUnreachable(error: unknown, registry: string): unknown {
  if (!(error instanceof BaseError)) return error;
  if (!["connection-failed", "tls-failed", "timeout"].includes(error.code)) return error;
  const hint = answeredInPlain(error)
    ? `if that is meant to be so, use \`--plain-http ${registry}\``
    : error.hint;
  return new StoreError("registry-unreachable", `cannot talk to ${registry}: ${error.message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}
