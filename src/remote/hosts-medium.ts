import { type Call, ImgvolError, isAbort } from "../base/index.ts";
import type { HostCapability } from "../hosts/index.ts";
import { type Capabilities, type Descriptor, isDigest, StoreError } from "../oci/index.ts";
import type { Incoming, Medium } from "../store/index.ts";

/** A repository at one endpoint, and what the endpoint is trusted to do. */
export interface Place {
  /** As users write the endpoint: `mirror.example:5000`. */
  readonly registry: string;
  readonly medium: Medium;
  readonly can: ReadonlySet<HostCapability>;
}

type Places = readonly [Place, ...Place[]];

/**
 * One repository at several endpoints, mirrors mostly. Reading asks them in order until one has it, and goes on at the next
 * where one fails in the middle; writing, deleting, and whether something need not be pushed, is for the first that takes
 * pushes, alone. What a mirror gives is verified like everything else; what a tag names only those say that may `resolve`.
 */
export class HostsMedium implements Medium {
  readonly origin: string;
  readonly can: Capabilities;
  readonly #open: () => Promise<readonly Place[]>;
  /** Once it was used, and the files could be read. */
  #opened: Promise<readonly Place[]> | undefined;
  readonly #told = new Set<string>();

  /** @param open finds the places: when the first is needed, and again after it failed */
  constructor(origin: string, open: () => Promise<readonly Place[]>) {
    this.origin = origin;
    this.#open = open;
    this.can = {
      tags: { list: (call) => this.#read("resolve", call, (m) => capable(m, "tags").list(call)) },
      referrers: {
        referrers: (subject, call, type) =>
          this.#read("resolve", call, (m) => capable(m, "referrers").referrers(subject, call, type)),
        enlist: async (subject, d, call) =>
          await (await this.#writable()).can.referrers?.enlist?.(subject, d, call),
      },
      delete: {
        untag: async (name, call) => capable(await this.#writable(), "delete").untag(name, call),
        delete: async (d, call) => capable(await this.#writable(), "delete").delete(d, call),
      },
      mount: {
        mount: async (d, from, call) => capable(await this.#writable(), "mount").mount(d, from, call),
      },
      stat: { blob: (digest, call) => this.#ask("pull", call, (m) => capable(m, "stat").blob(digest, call)) },
    };
  }

  /** A digest is proven by its content: who gives that may say so. */
  resolve(tagOrDigest: string, call: Call): Promise<Descriptor> {
    const need = isDigest(tagOrDigest) ? "pull" : "resolve";
    return this.#ask(need, call, (medium) => medium.resolve(tagOrDigest, call));
  }

  /** Whether it need not be pushed: a mirror's word would leave the registry without it. */
  async has(d: Descriptor, call: Call): Promise<boolean> {
    const places = await this.#places();
    const pushed = places.find((place) => place.can.has("push"));
    if (pushed !== undefined) return await pushed.medium.has(d, call);
    return await this.#ask("pull", call, (medium) => medium.has(d, call));
  }

  async *open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    let at = from;
    for (let places = await this.#able("pull"); ; ) {
      try {
        for await (const chunk of places[0].medium.open(d, at, call)) {
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        places = this.#after(error, places, call);
      }
    }
  }

  async write(content: Incoming, call: Call): Promise<void> {
    await (await this.#writable()).write(content, call);
  }

  async tag(name: string, d: Descriptor, call: Call): Promise<void> {
    await (await this.#writable()).tag(name, d, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const places = await this.#opened?.catch(() => []);
    for (const { medium } of places ?? []) await medium[Symbol.asyncDispose]();
  }

  #places(): Promise<readonly Place[]> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #ask<T>(need: HostCapability, call: Call, work: (medium: Medium) => Promise<T>): Promise<T> {
    for (let places = await this.#able(need); ; ) {
      try {
        return await work(places[0].medium);
      } catch (error) {
        places = this.#after(error, places, call);
      }
    }
  }

  /** A list is one endpoint's: where it failed in the middle, another one's would be another list. */
  async *#read<T>(
    need: HostCapability,
    call: Call,
    work: (medium: Medium) => AsyncIterable<T>,
  ): AsyncIterable<T> {
    let begun = false;
    for (let places = await this.#able(need); ; ) {
      try {
        for await (const item of work(places[0].medium)) {
          begun = true;
          yield item;
        }
        return;
      } catch (error) {
        if (begun) throw error;
        places = this.#after(error, places, call);
      }
    }
  }

  /** Whom to ask after the first of them failed. @throws the error itself where nobody else may do better */
  #after(error: unknown, [failed, ...others]: Places, call: Call): Places {
    const [next, ...more] = others;
    if (next === undefined || call.signal.aborted || isAbort(error) || !(error instanceof ImgvolError)) {
      throw error;
    }
    // That a mirror does not have everything is its nature.
    if (error.code !== "not-found" && !this.#told.has(failed.registry)) {
      this.#told.add(failed.registry);
      call.progress?.say(`${failed.registry} is passed over for ${this.origin}: ${error.message}`);
    }
    return [next, ...more];
  }

  async #able(need: HostCapability): Promise<Places> {
    const [first, ...more] = (await this.#places()).filter((place) => place.can.has(need));
    if (first !== undefined) return [first, ...more];
    throw new StoreError("unsupported", `${this.origin}: no configured host may ${need}`, {
      hint: `give one of the hosts in its hosts.toml the capability "${need}"`,
    });
  }

  async #writable(): Promise<Medium> {
    return (await this.#able("push"))[0].medium;
  }
}

function capable<K extends keyof Capabilities>(medium: Medium, what: K): Exclude<Capabilities[K], undefined> {
  const found = medium.can[what];
  if (found !== undefined) return found as Exclude<Capabilities[K], undefined>;
  throw new StoreError("unsupported", `${medium.origin} has no ${what}`);
}
