import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "./call.ts";
import { BaseError, errno } from "./errors.ts";

export interface RetryOptions {
  /** How often one thing is tried without getting any further. Default 5. */
  readonly attempts: number;
  /** How often, where whoever was there before is away: about half a minute. Default 8, or `attempts` where that is given. */
  readonly whileAway: number;
  /** The upper bound of the first pause, in milliseconds; doubled each time. Default 500. */
  readonly delay: number;
  /** The longest pause, in milliseconds, that a server may ask for with `Retry-After`. Default 2 minutes. */
  readonly longest: number;
}

const DEFAULTS: RetryOptions = { attempts: 5, whileAway: 8, delay: 500, longest: 120_000 };
const LONGEST_BACK_OFF = 10_000;

/** What is known of a failure. */
export interface Trouble {
  /** How long the server asks to wait, in milliseconds: see {@link retryAfter}. */
  readonly asked?: number | undefined;
  /** Whether who was there before is away ({@link isAway}): it may be about to start again. */
  readonly away?: boolean;
  /** Is told of the wait before it begins. */
  readonly onPause?: (pause: Pause) => void;
}

/** A wait that is about to begin. */
export interface Pause {
  /** In milliseconds. */
  readonly wait: number;
  /** What the server asked for, in milliseconds, where it did. */
  readonly asked: number | undefined;
  /** How many tries are left after it. */
  readonly left: number;
}

/**
 * Counts failures without progress, and waits between them: exponentially longer, by half of it at random, so that clients
 * which failed together do not come back together; and never shorter than a server asked for.
 */
export class Patience {
  readonly #options: RetryOptions;
  #failures = 0;
  #furthest = 0;

  constructor(options: Partial<RetryOptions> | undefined) {
    const whileAway = options?.attempts ?? DEFAULTS.whileAway;
    this.#options = { ...DEFAULTS, whileAway, ...options };
  }

  /**
   * Says how far the work is, in any unit. Further than ever before: the failures so far do not count any more. Work that
   * begins again and again, and always ends at the same place, is not progress.
   */
  reached(position: number): void {
    if (position <= this.#furthest) return;
    this.#furthest = position;
    this.#failures = 0;
  }

  /**
   * Waits before the next try. @throws `error` itself where it was tried often enough, or the server asks for more patience
   * than we have; the abort, where the call is cancelled meanwhile
   */
  async afterFailure(error: unknown, call: Call, trouble: Trouble = {}): Promise<void> {
    call.signal.throwIfAborted();
    const { asked, away = false, onPause } = trouble;
    const { delay, longest, whileAway } = this.#options;
    const attempts = away ? whileAway : this.#options.attempts;
    this.#failures++;
    if (this.#failures >= attempts || (asked ?? 0) > longest) throw error;
    const most = Math.min(delay * 2 ** (this.#failures - 1), LONGEST_BACK_OFF);
    const wait = (asked ?? 0) + ((1 + Math.random()) * most) / 2;
    onPause?.({ wait, asked, left: attempts - this.#failures });
    await sleep(wait, undefined, { signal: call.signal });
  }
}

/** What is likely to be over in a while: RFC 9110's and 6585's statuses, and the ones of a large CDN for its own 502s and 504s. */
const TEMPORARY: ReadonlySet<number> = new Set([
  ...[408, 425, 429, 500, 502, 503, 504],
  ...[520, 521, 522, 523, 524],
]);

/** Whether the same request may well succeed a little later. */
export function isTemporary(status: number): boolean {
  return TEMPORARY.has(status);
}

/** Whether a failure of the connection may well be over a little later. */
export function isTemporaryFailure(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false;
  if (error.code === "timeout") return true;
  // A name that does not exist will not begin to in seconds.
  return error.code === "connection-failed" && errno(error.cause) !== "ENOTFOUND";
}

/** Of a gateway or a server that cannot be reached, or is about to start. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

/** Whether a status, or a failure of the connection, is what is met while a server is started again. */
export function isAway(failure: unknown): boolean {
  if (typeof failure === "number") return AWAY.has(failure);
  return failure instanceof BaseError && failure.code === "connection-failed" && isTemporaryFailure(failure);
}

/** `Retry-After` in milliseconds from now: seconds or a date (RFC 9110, section 10.2.3); undefined where there is none to be understood. */
export function retryAfter(headers: ReadonlyMap<string, string>): number | undefined {
  const field = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,12}$/.test(field)) return Number(field) * 1000;
  const date = /[A-Za-z]/.test(field) ? Date.parse(field) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
