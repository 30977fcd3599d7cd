import { Refusal } from "../auth/index.ts";
import { type Call, discard, type Response } from "../base/index.ts";
import { type Descriptor, type Digest, StoreError } from "../oci/index.ts";
import type { Incoming } from "../store/index.ts";
import { asUnreachable } from "./errors.ts";
import { HostPatience, isTransient } from "./patience.ts";
import type { RemoteRepository } from "./repository.ts";
import { limitsOf } from "./upload-limits.ts";
import { locationOf } from "./upload-location.ts";
import { UploadPath } from "./upload-path.ts";
import { BeginAgain, UploadSession } from "./upload-session.ts";

const CANCEL_TIMEOUT = 2_000;
const CANCEL_TRIES = 3;

/**
 * Uploads blobs into one repository, by the ways that registries have (distribution-spec, "Pushing blobs"), the cheapest
 * first: a mount, one PUT, a stream that is continued where it was cut, pieces.
 */
export class BlobUploads {
  readonly #path: UploadPath;
  /** Uploads that the registry opened where it was asked for a mount; the next one of that blob is sent there. */
  readonly #offered = new Map<Digest, Response>();
  readonly #damaged: ReadonlySet<Digest>;
  /** Uploads that were given up, but could not be deleted yet. */
  readonly #abandoned = new Set<URL>();

  /** @param damaged what the registry has, but not as it was given: taking that from wherever it lies would not mend it */
  constructor(at: RemoteRepository, damaged: ReadonlySet<Digest>) {
    this.#path = new UploadPath(at);
    this.#damaged = damaged;
  }

  /**
   * Sends content in one pass: the digest need not be known before its last byte. What a cut connection has lost is sent
   * again, from where the registry says, or from the start where it says nothing.
   */
  async upload(content: Incoming, call: Call): Promise<void> {
    const { host } = this.#path;
    const patience = new HostPatience(host);
    for (;;) {
      const known = content.expected ?? (await this.#measured(content, call));
      const replace = content.replace || (known !== undefined && this.#damaged.has(known.digest));
      const begun = await this.#begin(replace ? undefined : known, patience, call);
      if (begun === undefined) return;
      const session = new UploadSession(this.#path, begun, content);
      try {
        await session.run(known, patience, call);
      } catch (error) {
        await this.#abandon(session.location);
        if (error instanceof BeginAgain) continue;
        throw asUnreachable(error, host);
      }
      return await this.#sweep();
    }
  }

  /** Asks for the blob to be taken from another repository. False where the registry does not. */
  async mount(digest: Digest, from: string, call: Call): Promise<boolean> {
    if (this.#damaged.has(digest)) return false;
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const begun = await this.#mount(query, [`repository:${from}:pull`], call);
    if (begun?.status === 202) {
      this.#forget(this.#offered.get(digest));
      this.#offered.set(digest, begun);
    }
    return begun?.status === 201;
  }

  /** Deletes at the registry what was begun and will not be ended. */
  async close(): Promise<void> {
    for (const begun of this.#offered.values()) this.#forget(begun);
    this.#offered.clear();
    await this.#sweep();
  }

  /** Without PATCH the digest must be known before the first byte is sent: the source is read once more for it. */
  async #measured(content: Incoming, call: Call): Promise<Descriptor | undefined> {
    if (limitsOf(this.#path.host).patch) return undefined;
    for await (const _ of content.source.open(0, call));
    return content.seal();
  }

  /**
   * The answer that opens an upload; undefined where none is needed, for the registry had the blob elsewhere.
   * @param known what the registry may have; undefined where nobody knows, or what it has is not wanted
   */
  async #begin(
    known: Descriptor | undefined,
    patience: HostPatience,
    call: Call,
  ): Promise<Response | undefined> {
    const limits = limitsOf(this.#path.host);
    if (known !== undefined) {
      const offered = this.#offered.get(known.digest);
      this.#offered.delete(known.digest);
      if (offered !== undefined) return offered;
      if (limits.anonymousMount) {
        const begun = await this.#mount(`mount=${encodeURIComponent(known.digest)}`, [], call);
        if (begun !== undefined) return begun.status === 201 ? undefined : begun;
        limits.anonymousMount = false;
      }
    }
    const asked = this.#path.ask("POST", "blobs/uploads/", [202]);
    const begun = await this.#path.host.ask({ ...asked, patience }, call);
    await discard(begun);
    return begun;
  }

  /** 201: mounted. 202: the registry opened an upload instead. Undefined: it does not like to be asked. */
  async #mount(query: string, scopes: readonly string[], call: Call): Promise<Response | undefined> {
    const asked = this.#path.ask("POST", `blobs/uploads/?${query}`, [201, 202]);
    const purpose = { ...asked.purpose, scopes: [...asked.purpose.scopes, ...scopes] };
    try {
      const response = await this.#path.host.ask({ ...asked, purpose }, call);
      await discard(response);
      return response;
    } catch (error) {
      if (error instanceof Refusal && !isTransient(error)) return undefined;
      throw error;
    }
  }

  /** An offer that nobody took up. What the registry gave no usable place is its own to clear away. */
  #forget(begun: Response | undefined): void {
    try {
      if (begun !== undefined) this.#abandoned.add(locationOf(begun, this.#path.host));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** What was begun and will not be ended takes room at the registry. Not worth hiding the error that led here. */
  async #abandon(location: URL): Promise<void> {
    this.#abandoned.add(location);
    await this.#sweep();
  }

  /** Within a bounded time: whoever pressed Ctrl-C waits for it. */
  async #sweep(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT);
    for (const location of [...this.#abandoned]) {
      // Uploads end side by side: each is deleted by one of them.
      if (!this.#abandoned.delete(location)) continue;
      let gone = false;
      for (let left = CANCEL_TRIES; left > 0 && !gone && !signal.aborted; left--) {
        gone = await this.#cancel(location, { signal });
      }
      if (!gone) this.#abandoned.add(location);
    }
  }

  /** False where trying again may help. */
  async #cancel(location: URL, call: Call): Promise<boolean> {
    try {
      await discard(
        await this.#path.host.once(this.#path.ask("DELETE", location, [204, 200, 202, 404]), call),
      );
      return true;
    } catch (error) {
      return !call.signal.aborted && !isTransient(error);
    }
  }
}
