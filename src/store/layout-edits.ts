import { type Call, quietCall, Turns } from "../base/index.ts";
import { formatIndex, type LayoutIndex, readIndex } from "./layout-index.ts";
import type { Writers } from "./layout-writers.ts";

/** A change of a layout's index.json. */
export interface Edit {
  /** The index as it is to be; the same one where nothing changes. What it throws concerns this edit alone. */
  change(index: LayoutIndex): Promise<LayoutIndex>;
  /** What is done once the change is on the disk, before anybody else looks whether their change can be made. */
  readonly afterwards?: (() => Promise<void>) | undefined;
}

interface Waiting {
  readonly edit: Edit;
  /** Set when it is made, or has failed. */
  outcome?: { readonly error?: unknown };
}

/**
 * The edits of one store. Those that come while another is being made are made together: the file is read, written and forced to
 * the disk once for all of them, and none is done before it is there (docs/adr/0156).
 */
export class LayoutEdits {
  readonly #path: string;
  readonly #writers: Writers;
  readonly #turns = new Turns();
  #waiting: Waiting[] = [];

  /** @param path of the index.json */
  constructor(path: string, writers: Writers) {
    this.#path = path;
    this.#writers = writers;
  }

  async make(edit: Edit, call: Call): Promise<void> {
    const mine: Waiting = { edit };
    this.#waiting.push(mine);
    try {
      await this.#turns.take(call, async () => {
        if (mine.outcome === undefined) await this.#writers.exclusively(call, () => this.#makeUntil(mine));
      });
    } finally {
      // One that gave up is not made by the next.
      this.#waiting = this.#waiting.filter((other) => other !== mine);
    }
    if (mine.outcome !== undefined && "error" in mine.outcome) throw mine.outcome.error;
  }

  /** All that wait, and not only whose turn it is: that one's abort must not end the others. */
  async #makeUntil(mine: Waiting): Promise<void> {
    while (mine.outcome === undefined) await this.#makeTogether(this.#takeTogether());
  }

  /** Those up to the first that does something afterwards: who comes after it has to see that, such as content that is gone. */
  #takeTogether(): readonly Waiting[] {
    const last = this.#waiting.findIndex(({ edit }) => edit.afterwards !== undefined);
    return this.#waiting.splice(0, last < 0 ? this.#waiting.length : last + 1);
  }

  async #makeTogether(all: readonly Waiting[]): Promise<void> {
    try {
      const made = await this.#write(all);
      for (const waiting of made) {
        waiting.outcome = await outcomeOf(async () => waiting.edit.afterwards?.());
      }
    } catch (error) {
      for (const waiting of all) waiting.outcome ??= { error };
    }
  }

  /** @returns those whose change is on the disk */
  async #write(all: readonly Waiting[]): Promise<readonly Waiting[]> {
    const before = await readIndex(this.#path, quietCall());
    let index = before;
    const changed: Waiting[] = [];
    for (const waiting of all) {
      const outcome = await outcomeOf(async () => {
        index = await waiting.edit.change(index);
      });
      if ("error" in outcome) waiting.outcome = outcome;
      else changed.push(waiting);
    }
    if (index !== before) await this.#writers.replace(this.#path, formatIndex(index));
    return changed;
  }
}

async function outcomeOf(work: () => Promise<void>): Promise<{ readonly error?: unknown }> {
  try {
    await work();
    return {};
  } catch (error) {
    return { error };
  }
}
