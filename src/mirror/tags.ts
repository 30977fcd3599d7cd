import { messageOf, unlessAborted } from "../base/index.ts";
import { type Descriptor, StoreError } from "../oci/index.ts";
import { Once } from "./once.ts";
import { isOutOfReach } from "./upstream.ts";

export interface TagOptions {
  /** In milliseconds. */
  readonly freshFor: number;
  readonly staleAfter: number;
  /** Told when a client is given what the upstream could not confirm. */
  stale(what: string, why: string): void;
  /** Told when a client is given only what of it is here. */
  partial(what: string, why: string): void;
  /** Told when it is given nothing, for nothing is here and the upstream cannot be asked. */
  missing(what: string, why: string): void;
}

/** A tag of a mirrored repository. */
export interface MirroredTag {
  /** `UPSTREAM/NAME:TAG`. */
  readonly what: string;
  /** What it names here; undefined where nothing. */
  local(): Promise<Descriptor | undefined>;
  /** Asks the upstream, and makes what it says ours. */
  renew(): Promise<Descriptor>;
  /** The upstream does not have it. */
  forget(): Promise<void>;
}

interface Checked {
  /** By the monotonic clock, in milliseconds. */
  readonly at: number;
  /** Why the upstream could not be asked. */
  readonly problem: string | undefined;
}

const KEPT = 10_000;

/**
 * What tags name, as the upstream said a short while ago. One question at a time is on its way for a tag, whoever asks. Where
 * the upstream is down or limits us, the last answer stands; where it refuses or does not have the tag, nobody gets it here.
 */
export class MirrorTags implements AsyncDisposable {
  readonly #options: TagOptions;
  /** Oldest first. After a restart all are asked again. */
  readonly #checked = new Map<string, Checked>();
  readonly #asking = new Once<Descriptor>();

  constructor(options: TagOptions) {
    this.#options = options;
  }

  async resolve(tag: MirroredTag, signal: AbortSignal): Promise<Descriptor> {
    const there = await tag.local();
    const checked = this.#checked.get(tag.what);
    if (there !== undefined && checked !== undefined && this.#isFresh(checked)) {
      if (checked.problem !== undefined) this.#options.stale(tag.what, checked.problem);
      return there;
    }
    const asking = this.#asking.run(tag.what, () => this.#renew(tag));
    if (there === undefined) return await unlessAborted(asking, signal);
    try {
      return await unlessAborted(within(asking, this.#options.staleAfter), signal);
    } catch (error) {
      const slow = error instanceof TooLong;
      if (!slow && !isOutOfReach(error)) throw error;
      // Nobody else waits as long; an answer that comes after all counts from then on.
      if (slow) this.#note(tag.what, SLOW);
      this.#options.stale(tag.what, slow ? SLOW : messageOf(error));
      return there;
    }
  }

  /** A client is given what the upstream could not confirm. */
  tellStale(what: string, why: string): void {
    this.#options.stale(what, why);
  }

  /** A client is given only what of it is here. */
  tellPartial(what: string, why: string): void {
    this.#options.partial(what, why);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#asking.settled();
  }

  async #renew(tag: MirroredTag): Promise<Descriptor> {
    try {
      const found = await tag.renew();
      this.#note(tag.what, undefined);
      return found;
    } catch (error) {
      if (error instanceof StoreError && error.code === "not-found") await tag.forget();
      // It is not asked again at once: whoever is down is not helped by that, and who limits us neither.
      else if (isOutOfReach(error)) {
        this.#note(tag.what, messageOf(error));
        if ((await tag.local()) === undefined) this.#options.missing(tag.what, messageOf(error));
      }
      throw error;
    }
  }

  #isFresh({ at }: Checked): boolean {
    return performance.now() - at < this.#options.freshFor;
  }

  #note(what: string, problem: string | undefined): void {
    this.#checked.delete(what);
    this.#checked.set(what, { at: performance.now(), problem });
    for (const oldest of this.#checked.keys()) {
      if (this.#checked.size <= KEPT) break;
      this.#checked.delete(oldest);
    }
  }
}

const SLOW = "its registry is slow to answer";

class TooLong extends Error {}

async function within<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TooLong("too long")), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
