import { randomUUID } from "node:crypto";
import { type Call, unlessAborted } from "../base/index.ts";
import type { Descriptor, Digest, Store } from "../oci/index.ts";
import { type Backing, type Repository, type Spool, within } from "../registry/index.ts";
import type { MirrorCache } from "./cache.ts";
import type { Tally } from "./figures.ts";
import { asUpstreamError, whyOf } from "./upstream.ts";

/** A reader who wants to begin further on than this behind what has come does not wait for it. */
const WORTH_WAITING = 16 * 1024 * 1024;

/**
 * The blobs on their way from upstreams: each comes once, into a spool, and as many clients as want it read along. It goes on
 * when they leave: who lost the connection comes back, and others will ask. Only what has the right digest is kept, and
 * nobody is given the last byte of anything else.
 */
export class Downloads implements AsyncDisposable {
  readonly #local: Backing;
  readonly #cache: MirrorCache;
  readonly #tally: Tally;
  readonly #lifetime: Call;
  readonly #running = new Map<string, Promise<Download>>();
  readonly #underway = new Map<string, Descriptor>();
  /** Those whose spool is still there, and the end of each. */
  readonly #open = new Map<Download, Promise<void>>();

  constructor(local: Backing, cache: MirrorCache, tally: Tally, lifetime: Call) {
    this.#local = local;
    this.#cache = cache;
    this.#tally = tally;
    this.#lifetime = lifetime;
  }

  /** A blob that is on its way. */
  underway(name: string, digest: Digest): Descriptor | undefined {
    return this.#underway.get(`${name}@${digest}`);
  }

  /** A reader of the blob, to be disposed of; undefined where its download has just ended: it is kept now, or begins anew. */
  async join(name: string, upstream: Store, d: Descriptor, call: Call): Promise<Reader | undefined> {
    const download = await unlessAborted(this.#join(name, upstream, d), call.signal);
    download.lastUse = this.#cache.now();
    this.#cache.used(name, d.digest);
    return download.reader(upstream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#running.values());
    for (const [download, end] of this.#open) {
      await end;
      await download.drop();
    }
  }

  #join(name: string, upstream: Store, d: Descriptor): Promise<Download> {
    const key = `${name}@${d.digest}`;
    const there = this.#running.get(key);
    if (there !== undefined) return there;
    const over = (): void => {
      this.#running.delete(key);
      this.#underway.delete(key);
    };
    const starting = this.#start(name, upstream, d, over);
    this.#running.set(key, starting);
    this.#underway.set(key, d);
    starting.catch(over);
    return starting;
  }

  async #start(name: string, upstream: Store, d: Descriptor, over: () => void): Promise<Download> {
    const call = this.#lifetime;
    await this.#cache.makeRoom(d.size);
    const spool = await this.#local.spool({ id: randomUUID(), name }, call);
    const download: Download = new Download(d, spool, () => this.#open.delete(download));
    const end = download
      .run(this.#counted(upstream, d), () => this.#keep(name, d, download, call))
      .catch((error: unknown) => {
        if (!call.signal.aborted) call.progress?.say(`${name}@${d.digest}: ${whyOf(error)}`);
      })
      .finally(over)
      .then(() => download.end());
    this.#open.set(download, end);
    return download;
  }

  /** A full read: it ends with an error where digest or size are wrong. */
  async *#counted(upstream: Store, d: Descriptor): AsyncIterable<Uint8Array> {
    for await (const chunk of upstream.read(d, this.#lifetime)) {
      this.#tally.fetched(chunk.length);
      yield chunk;
    }
  }

  async #keep(name: string, d: Descriptor, { spool, lastUse }: Download, call: Call): Promise<void> {
    await this.#cache.makeRoom(d.size);
    if (!this.#cache.hasRoom(d.size)) return;
    // Counted before it is here, and not taken away in between.
    using _held = this.#cache.hold(name, d.digest);
    this.#cache.note(name, d, lastUse);
    await within({ backing: this.#local, name, call }, (to: Repository) =>
      to.gate.shared(async () => {
        to.recent.note(d.digest);
        // The bytes were checked as they came in.
        if (await spool.adopt(to, d.digest)) return;
        await to.store.put(d, spool, call);
      }),
    );
  }
}

/** One who reads along. */
export interface Reader extends Disposable {
  /** The bytes from an offset on, as they come. */
  read(from: number, call: Call): AsyncIterable<Uint8Array>;
}

/** One blob on its way. */
class Download {
  readonly spool: Spool;
  lastUse = 0;
  readonly #d: Descriptor;
  readonly #waiting = new Set<() => void>();
  #checked = false;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;
  #readers = 0;
  readonly #gone: () => void;
  #dropping: Promise<void> | undefined;

  /** @param gone called when its spool is no more */
  constructor(d: Descriptor, spool: Spool, gone: () => void) {
    this.#d = d;
    this.spool = spool;
    this.#gone = gone;
  }

  /** Takes the verified content in, and has it kept. Readers get what was checked also where it could not be kept. */
  async run(content: AsyncIterable<Uint8Array>, keep: () => Promise<void>): Promise<void> {
    try {
      for await (const chunk of content) {
        await this.spool.append(chunk);
        this.#wake();
      }
      this.#checked = true;
      this.#wake();
      await keep();
    } catch (error) {
      const failure = asUpstreamError(error);
      if (!this.#checked) this.#failure = { error: failure };
      throw failure;
    } finally {
      this.#wake();
    }
  }

  /** Nobody finds it any more. */
  async end(): Promise<void> {
    this.#ended = true;
    if (this.#readers === 0) await this.drop();
  }

  reader(upstream: Store): Reader | undefined {
    if (this.#dropping !== undefined) return undefined;
    this.#readers++;
    let open = true;
    return {
      read: (from, call) =>
        from > this.spool.size + WORTH_WAITING
          ? // Nothing here can check a part of a blob: its reader does, as for any range.
            upstream.read(this.#d, call, from)
          : this.#follow(from, call),
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        this.#readers--;
        if (this.#ended && this.#readers === 0) void this.drop();
      },
    };
  }

  async *#follow(from: number, call: Call): AsyncIterable<Uint8Array> {
    const { size } = this.#d;
    for (let at = from; at < size || !this.#checked; ) {
      if (this.#failure !== undefined) throw this.#failure.error;
      // Whoever has all bytes believes that they are right.
      const limit = this.#checked ? size : Math.min(this.spool.size, size - 1);
      if (at >= limit) {
        await this.#more(call.signal);
        continue;
      }
      const before = at;
      for await (const chunk of this.spool.open(at, call)) {
        const part = chunk.subarray(0, limit - at);
        at += part.length;
        yield part;
        if (at >= limit) break;
      }
      if (at === before) throw new Error(`the spool of ${this.#d.digest} has lost bytes`);
    }
  }

  #more(signal: AbortSignal): Promise<void> {
    let wake = (): void => {};
    const more = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    return unlessAborted(more, signal).finally(() => this.#waiting.delete(wake));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Lets go of the bytes: nobody reads them any more. What cannot be removed, the next start removes. */
  drop(): Promise<void> {
    this.#dropping ??= Promise.resolve(this.spool[Symbol.asyncDispose]())
      .catch(() => {})
      .finally(this.#gone);
    return this.#dropping;
  }
}
