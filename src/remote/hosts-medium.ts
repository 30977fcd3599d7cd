import { type Call, collect, type Finding } from "../base/index.ts";
import type { HostCapability } from "../hosts/index.ts";
import {
  type Capabilities,
  type Descriptor,
  type Digest,
  isDigest,
  isManifestLike,
  MANIFEST_LIMIT,
  StoreError,
} from "../oci/index.ts";
import { type Incoming, type Medium, verified } from "../store/index.ts";
import { Givers } from "./givers.ts";
import { PassedOver } from "./passed-over.ts";
import { type Place, Places, type SomePlaces } from "./places.ts";

/** What is not larger, and manifests, a mirror has to have given whole and right before anybody sees a byte of it. */
const HELD = 1024 * 1024;

/**
 * One repository at several endpoints, mirrors mostly. Reading asks them in order until one has it, and goes on at the next
 * where one fails in the middle, or gives wrong content; writing, deleting, and whether something need not be pushed, is for
 * the first that takes pushes, alone. What a tag names only those say that may `resolve`.
 */
export class HostsMedium implements Medium {
  readonly origin: string;
  readonly can: Capabilities;
  readonly #places: Places;
  readonly #passedOver: PassedOver;
  readonly #givers = new Givers<Place>();
  /** What was resolved last: it is read next. */
  #resolved: { readonly digest: Digest; readonly bytes: Uint8Array } | undefined;

  /**
   * @param open finds the places: when the first is needed, and again after it failed
   * @param tell hears of mirrors that give wrong content
   */
  constructor(origin: string, open: () => Promise<readonly Place[]>, tell?: (finding: Finding) => void) {
    this.origin = origin;
    this.#places = new Places(origin, open);
    this.#passedOver = new PassedOver(origin, tell);
    this.can = {
      tags: { list: (call) => this.#read("resolve", call, (m) => capable(m, "tags").list(call)) },
      referrers: {
        referrers: (subject, call, type) =>
          this.#read("resolve", call, (m) => capable(m, "referrers").referrers(subject, call, type)),
        enlist: async (subject, d, call) =>
          await (await this.#places.writable()).can.referrers?.enlist?.(subject, d, call),
      },
      delete: {
        untag: async (name, call) => capable(await this.#places.writable(), "delete").untag(name, call),
        delete: async (d, call) => capable(await this.#places.writable(), "delete").delete(d, call),
      },
      mount: {
        mount: async (d, from, call) => capable(await this.#places.writable(), "mount").mount(d, from, call),
      },
      stat: {
        blob: (digest, call) =>
          this.#ask("pull", call, ({ medium }) => capable(medium, "stat").blob(digest, call)),
      },
      mirrors: {
        has: (d, call) => this.#someHas(d, call),
        giver: (d) => this.#givers.of(d.digest)?.registry,
        passOver: (d, call) => this.#passOver(d, call),
      },
    };
  }

  /** A digest is proven by its content: who gives that may say so. */
  resolve(tagOrDigest: string, call: Call): Promise<Descriptor> {
    const need = isDigest(tagOrDigest) ? "pull" : "resolve";
    return this.#ask(need, call, async ({ medium, can }, isLast) => {
      const d = await medium.resolve(tagOrDigest, call);
      if (isLast || !can.has("pull")) return d;
      // Whoever it is, it has no size, and no content, that nobody else has.
      if (isDigest(tagOrDigest) && d.digest !== tagOrDigest) {
        throw new StoreError("digest-mismatch", `${medium.origin}: it has ${d.digest} as ${tagOrDigest}`);
      }
      if (d.size > MANIFEST_LIMIT) {
        throw new StoreError(
          "size-mismatch",
          `${medium.origin}: no manifest has ${d.size} bytes, as ${d.digest} is said to`,
        );
      }
      this.#resolved = { digest: d.digest, bytes: await whole(medium, d, call) };
      return d;
    });
  }

  /** Whether it need not be pushed: a mirror's word would leave the registry without it. */
  async has(d: Descriptor, call: Call): Promise<boolean> {
    const places = await this.#places.all();
    const pushed = places.find((place) => place.can.has("push"));
    return pushed === undefined ? await this.#someHas(d, call) : await pushed.medium.has(d, call);
  }

  open(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    return isHeld(d) ? this.#openHeld(d, from, call) : this.#openLarge(d, from, call);
  }

  async write(content: Incoming, call: Call): Promise<void> {
    await (await this.#places.writable()).write(content, call);
  }

  async tag(name: string, d: Descriptor, call: Call): Promise<void> {
    await (await this.#places.writable()).tag(name, d, call);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resolved = undefined;
    await this.#places[Symbol.asyncDispose]();
  }

  /** Small content is verified before it is handed on, so that the next is asked where it is wrong. */
  async *#openHeld(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    if (this.#resolved?.digest === d.digest && this.#resolved.bytes.length === d.size) {
      yield this.#resolved.bytes.subarray(from);
      return;
    }
    for (let places = await this.#places.able("pull"); ; ) {
      const [{ medium }, ...others] = places;
      try {
        if (others.length === 0) yield* medium.open(d, from, call);
        else yield (await whole(medium, d, call)).subarray(from);
        return;
      } catch (error) {
        places = this.#after(error, places, call);
      }
    }
  }

  /** Large content is handed on as it comes: whoever verifies it says who is to be passed over. */
  async *#openLarge(d: Descriptor, from: number, call: Call): AsyncIterable<Uint8Array> {
    let at = from;
    for (let places = this.#givers.right(d.digest, await this.#places.able("pull")); ; ) {
      const [place, ...others] = places;
      try {
        for await (const chunk of place.medium.open(d, at, call)) {
          this.#givers.gave(d.digest, at, others.length > 0 ? place : undefined);
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        places = this.#after(error, places, call);
      }
    }
  }

  #passOver(d: Descriptor, call: Call): boolean {
    const place = this.#givers.wrong(d.digest);
    if (place === undefined) return false;
    this.#passedOver.gave(place.registry, d, call);
    return true;
  }

  async #someHas(d: Descriptor, call: Call): Promise<boolean> {
    return await this.#ask("pull", call, async ({ medium }, isLast) => {
      const there = await medium.has(d, call);
      if (!there && !isLast) throw new StoreError("not-found", `${medium.origin} does not have ${d.digest}`);
      return there;
    });
  }

  async #ask<T>(
    need: HostCapability,
    call: Call,
    work: (place: Place, isLast: boolean) => Promise<T>,
  ): Promise<T> {
    for (let places = await this.#places.able(need); ; ) {
      try {
        return await work(places[0], places.length === 1);
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
    for (let places = await this.#places.able(need); ; ) {
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
  #after(error: unknown, [failed, ...others]: SomePlaces, call: Call): SomePlaces {
    const [next, ...more] = others;
    if (next === undefined) throw error;
    this.#passedOver.failed(failed.registry, error, call);
    return [next, ...more];
  }
}

function isHeld(d: Descriptor): boolean {
  return d.size <= (isManifestLike(d.mediaType) ? MANIFEST_LIMIT : HELD);
}

/** Content as a whole, verified. */
async function whole(medium: Medium, d: Descriptor, call: Call): Promise<Uint8Array> {
  return await collect(verified(medium).read(d, call), MANIFEST_LIMIT, `${medium.origin}: ${d.digest}`);
}

function capable<K extends keyof Capabilities>(medium: Medium, what: K): Exclude<Capabilities[K], undefined> {
  const found = medium.can[what];
  if (found !== undefined) return found as Exclude<Capabilities[K], undefined>;
  throw new StoreError("unsupported", `${medium.origin} has no ${what}`);
}
