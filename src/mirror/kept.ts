import type { Call } from "../base/index.ts";
import type { Descriptor } from "../oci/index.ts";
import { type Backing, find, RegistryError, type Repository } from "../registry/index.ts";
import type { MirrorCache } from "./cache.ts";

/** Where what is kept lies. */
interface Place {
  readonly local: Backing;
  readonly cache: MirrorCache;
  readonly lifetime: Call;
}

/** What of an upstream's repository is kept here. */
export class Kept {
  readonly #name: string;
  readonly #place: Place;

  constructor(name: string, place: Place) {
    this.#name = name;
    this.#place = place;
  }

  /** Undefined where nothing of it was kept yet. */
  repository(): Promise<Repository | undefined> {
    return this.#place.local.find(this.#name, this.#place.lifetime);
  }

  /** What is here under a tag or digest, content and all. */
  async find(tagOrDigest: string): Promise<Descriptor | undefined> {
    const { cache, lifetime } = this.#place;
    const local = await this.repository();
    const found = local === undefined ? undefined : await find(local, tagOrDigest, lifetime);
    if (local === undefined || found === undefined || !(await this.has(local, found))) return undefined;
    cache.used(this.#name, found.digest);
    return found;
  }

  /** Within the gate: what is just taken away is gone when it opens, and what is held by then stays. */
  async has({ gate, store }: Repository, d: Descriptor): Promise<boolean> {
    try {
      return await gate.shared(() => store.has(d, this.#place.lifetime));
    } catch (error) {
      // Taken away itself.
      if (error instanceof RegistryError && error.code === "name-unknown") return false;
      throw error;
    }
  }

  /** Has a tag name what it names at the upstream. */
  async tag(tag: string, d: Descriptor): Promise<void> {
    const local = await this.repository();
    if (local === undefined) return;
    const before = await find(local, tag, this.#place.lifetime);
    if (before?.digest === d.digest) return;
    await local.gate.shared(() => local.store.tag(tag, d, this.#place.lifetime));
  }

  /** The upstream has no such tag any more. */
  async untag(tag: string): Promise<void> {
    const local = await this.repository();
    if (local === undefined || (await find(local, tag, this.#place.lifetime)) === undefined) return;
    await local.gate.exclusive(async () => local.store.can.delete?.untag(tag, this.#place.lifetime));
  }
}
