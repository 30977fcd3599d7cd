import { setTimeout as sleep } from "node:timers/promises";
import { BaseError, type Call, errno } from "../base/index.ts";
import { Refusal } from "./remote-errors.ts";
import type { RetryOptions } from "./remote-options.ts";

const DEFAULTS: RetryOptions = { attempts: 5, delay: 250, longest: 60_000 };
const LONGEST_BACK_OFF = 8_000;

/** Counts failures in a row, and waits between them. */
export class Patience {
  readonly #options: RetryOptions;
  #failures = 0;

  constructor(options: Partial<RetryOptions> | undefined) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Something went forward: failures before it do not count any more. */
  progressed(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next try. @throws the error itself where trying again would not help, or was done often enough;
   * the abort, where the call is cancelled meanwhile
   * @param transient whether trying again may help, where the error alone does not tell
   */
  async afterFailure(error: unknown, call: Call, transient: boolean = isTransient(error)): Promise<void> {
    call.signal.throwIfAborted();
    this.#failures++;
    if (!transient || this.#failures >= this.#options.attempts) throw error;
    const asked = error instanceof Refusal ? error.retryAfter : undefined;
    if (asked !== undefined && asked > this.#options.longest) throw error;
    const backOff = Math.min(this.#options.delay * 2 ** (this.#failures - 1), LONGEST_BACK_OFF);
    await sleep(Math.max(asked ?? 0, backOff * (0.5 + Math.random())), undefined, { signal: call.signal });
  }
}

/** Whether the same request may well succeed a little later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Refusal) return error.transient;
  if (!(error instanceof BaseError)) return false;
  if (error.code === "timeout") return true;
  // A name that does not exist, or a peer that speaks another protocol, will not change in seconds.
  return error.code === "connection-failed" && !/^(?:ENOTFOUND|HPE_)/.test(errno(error.cause) ?? "");
}
