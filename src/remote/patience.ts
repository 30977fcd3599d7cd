import { Refusal } from "../auth/index.ts";
import { type Call, isAway, isTemporaryFailure, Patience, type Pause } from "../base/index.ts";
import type { RemoteOptions } from "./options.ts";

/** Shorter waits are not worth a sentence. */
const WORTH_TELLING = 2_000;

/** Whose patience it is: a registry, and what the user said about trying again. */
export interface Patient {
  readonly registry: string;
  readonly options: RemoteOptions;
  /** Whether it has answered well before. */
  readonly served: boolean;
}

/** Patience with a registry: it knows which failures may be over in a while, and says what we wait for. */
export class HostPatience {
  readonly #host: Patient;
  readonly #patience: Patience;

  constructor(host: Patient) {
    this.#host = host;
    this.#patience = new Patience(host.options.retry);
  }

  /** See {@link Patience.reached}. */
  reached(position: number): void {
    this.#patience.reached(position);
  }

  /**
   * Waits before the next try. @throws the error itself where trying again would not help, or was done often enough;
   * the abort, where the call is cancelled meanwhile
   * @param transient whether trying again may help, where the error alone does not tell
   */
  async afterFailure(error: unknown, call: Call, transient: boolean = isTransient(error)): Promise<void> {
    call.signal.throwIfAborted();
    if (!transient) throw error;
    const asked = error instanceof Refusal ? error.retryAfter : undefined;
    const away = this.#host.served && isAway(error instanceof Refusal ? error.status : error);
    const onPause = (pause: Pause): void => this.#tell(pause, error, call);
    await this.#patience.afterFailure(error, call, { asked, away, onPause });
  }

  #tell(pause: Pause, error: unknown, call: Call): void {
    if (call.progress === undefined || pause.wait < WORTH_TELLING) return;
    const until = performance.now() + pause.wait;
    // Transfers that run side by side are turned away together: told once.
    if (until < (told.get(this.#host) ?? 0) + WORTH_TELLING) return;
    told.set(this.#host, until);
    const { registry } = this.#host;
    const seconds = `${Math.ceil(pause.wait / 1000)} s`;
    const limited = error instanceof Refusal && error.tooOften;
    const more = limited ? " (its rate limit; who is logged in may ask more often)" : "";
    if (pause.asked !== undefined) call.progress.say(`${registry} asks to wait ${seconds}${more}`);
    else {
      const why = error instanceof Refusal ? `answered ${error.status}` : "is hard to reach";
      call.progress.say(`${registry} ${why}; trying again in ${seconds}${more}`);
    }
  }
}

/** Until when, for each registry, users know that we wait. */
const told = new WeakMap<Patient, number>();

/** Whether the same request may well succeed a little later. */
export function isTransient(error: unknown): boolean {
  return error instanceof Refusal ? error.transient : isTemporaryFailure(error);
}
