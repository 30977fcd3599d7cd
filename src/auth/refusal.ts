import {
  collect,
  discard,
  isAbort,
  isTemporary,
  printable,
  type Response,
  retryAfter,
} from "../base/index.ts";
import { isObject, type StoreCode, StoreError } from "../oci/index.ts";
import type { Credentials } from "./credentials.ts";

/** An answer of a registry, or of its token server, that is not the one hoped for. */
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

const ERROR_LIMIT = 64 * 1024;
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

/** Public registries let those who are logged in ask for more, and some of those who pay for all. */
export function rateHint(registry: string, told: Told, as: Credentials | undefined): string {
  const { retryAfter, tooOften } = told;
  const wait = retryAfter === undefined ? "later" : `in ${Math.ceil(retryAfter / 1000)} s`;
  if (!tooOften) return `try again ${wait}`;
  if (as !== undefined) return `try again ${wait}; this is the limit of the account that is logged in`;
  return `try again ${wait}, or log in for a higher limit: \`imgvol login ${registry} -u NAME --password-stdin\``;
}
