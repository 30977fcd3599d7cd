import { Refusal } from "../auth/index.ts";
import { type Call, collect, discard, type Response } from "../base/index.ts";
import type { Descriptor } from "../oci/index.ts";
import type { Incoming } from "../store/index.ts";
import { asUnreachable } from "./errors.ts";
import { type HostPatience, isTransient } from "./patience.ts";
import { arrivedIn, chunksIn } from "./upload-answer.ts";
import { Feed } from "./upload-feed.ts";
import { isTooLarge, isUnsupported, limitsOf, type UploadLimits } from "./upload-limits.ts";
import { locationOf, withQuery } from "./upload-location.ts";
import type { UploadPath } from "./upload-path.ts";

/** Up to here known content goes in one PUT, which saves a round trip; above, an upload that can be continued is worth more. */
const ONE_PUT = 16 * 1024 * 1024;
/** The piece of known length that a continued upload of unknown length begins with. */
const PROBE = 256 * 1024;
const LARGEST_PROBE = 4 * 1024 * 1024;
const BINARY = { "content-type": "application/octet-stream" };

/** One upload on its way (distribution-spec, "Pushing blobs"). */
export class UploadSession {
  location: URL;
  readonly #path: UploadPath;
  readonly #content: Incoming;
  readonly #limits: UploadLimits;
  readonly #feed: Feed;
  /** The sizes of chunks that the registry asks for. */
  readonly #chunks: { readonly least: number; readonly most: number };
  /** How many bytes the registry has for certain. */
  #offset = 0;
  /** How many were sent, or begun to be sent: the registry cannot have more. */
  #sent = 0;
  /** It was continued, so that bytes may be lost or doubled where it was cut. */
  #resumed = false;
  /** The registry itself confirmed where the next byte goes, since the last cut. */
  #sure = true;
  /** A PATCH was answered as if it were the last request (Amazon's registry does, and then refuses the PUT). */
  #accepted = false;

  /** @param begun the answer that opened the upload. @throws StoreError `registry-error` where it does not say where */
  constructor(path: UploadPath, begun: Response, content: Incoming) {
    this.#path = path;
    this.#content = content;
    this.#limits = limitsOf(path.host);
    this.#feed = new Feed(content.source);
    this.location = locationOf(begun, path.host);
    this.#chunks = chunksIn(begun);
  }

  /**
   * Sends all, and ends the upload: from there the blob is visible.
   * @param known what the content is, where that is known before its last byte
   * @throws BeginAgain where it has to be begun again
   */
  async run(known: Descriptor | undefined, patience: HostPatience, call: Call): Promise<void> {
    const inOne = this.#limits.patch ? Math.min(ONE_PUT, this.#chunk) : Number.POSITIVE_INFINITY;
    const whole = known !== undefined && known.size <= inOne;
    try {
      if (!whole) await this.#fill(patience, call);
      await this.#commit(whole ? known : this.#content.seal(), whole, patience, call);
    } finally {
      await this.#feed.end();
    }
  }

  get #chunk(): number {
    return Math.max(this.#chunks.least, Math.min(this.#chunks.most, this.#limits.chunk));
  }

  /** Gets all bytes to the registry by PATCH: in one, unless something cuts or limits them. */
  async #fill(patience: HostPatience, call: Call): Promise<void> {
    while (this.#feed.total === undefined || this.#offset !== this.#feed.total) {
      try {
        await this.#patch(call);
        patience.reached(this.#offset);
      } catch (error) {
        this.#sent = Math.max(this.#sent, this.#feed.at);
        if (this.#feed.failed) throw error;
        const refused = error instanceof Refusal ? error : undefined;
        if (this.#adapts(refused)) {
          if (this.#offset === 0) throw new BeginAgain(error);
        } else {
          if (!this.#mayGoOn(error, refused)) throw error;
          await this.#pause(patience, error, call);
          if (refused?.status === 404) throw new BeginAgain(error);
        }
        await this.#resync(patience, error, call);
      }
    }
  }

  /** Learns from a refusal what may be sent instead; false where it says nothing of the kind. */
  #adapts(refused: Refusal | undefined): boolean {
    if (isTooLarge(refused)) return this.#limits.shrink(Math.min(this.#chunk, this.#rest));
    if (!isUnsupported(refused) || this.#offset > 0) return false;
    this.#limits.patch = false;
    return true;
  }

  #mayGoOn(error: unknown, refused: Refusal | undefined): boolean {
    if (refused === undefined) return error instanceof Behind || isTransient(error);
    // 416: what was still on its way when we asked has arrived meanwhile. 404: the registry has forgotten the upload.
    if (refused.status === 416 && this.#offset > 0) return true;
    return refused.status === 404 || this.#isSpoilt(refused) || refused.transient;
  }

  /** What we sent was checked: if the registry finds it wrong, bytes went astray where the connection was cut. */
  #isSpoilt(refused: Refusal | undefined): boolean {
    const codes = ["DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID", "RANGE_INVALID"];
    return this.#resumed && codes.some((code) => refused?.codes.includes(code) === true);
  }

  /** How many bytes there are to send; infinitely many, where nobody knows. */
  get #rest(): number {
    const size = this.#content.expected?.size ?? this.#content.source.size;
    return size === undefined ? Number.POSITIVE_INFINITY : Math.max(0, size - this.#offset);
  }

  async #patch(call: Call): Promise<void> {
    const rest = this.#rest;
    const uncertain = rest === Number.POSITIVE_INFINITY && !this.#sure && this.#chunks.least <= LARGEST_PROBE;
    if (rest === 0 || uncertain) return this.#probe(call);
    const length = Math.min(rest, this.#chunk);
    const headers: Record<string, string> = { ...BINARY };
    if (rest !== Number.POSITIVE_INFINITY) {
      headers["content-length"] = `${length}`;
      // Only a continued upload needs it; some registries stumble over it in an upload of one piece.
      if (this.#offset > 0 || length < rest) {
        headers["content-range"] = `${this.#offset}-${this.#offset + length - 1}`;
      }
    }
    // The last piece has no limit: a source that has more than it said is to be noticed.
    const limit = length < rest ? length : Number.POSITIVE_INFINITY;
    await this.#send(headers, this.#feed.piece(this.#offset, limit, call), call);
  }

  /**
   * Without a Content-Range a registry appends wherever it stands, and that may have moved since we asked. So a stream
   * whose length nobody knows is continued by a small piece with one: where that fits, the rest fits behind it.
   */
  async #probe(call: Call): Promise<void> {
    const size = Math.max(PROBE, Math.min(this.#chunks.least, LARGEST_PROBE));
    const piece = await collect(this.#feed.piece(this.#offset, size, call), size, "a chunk");
    if (piece.length === 0) return;
    const range = { "content-range": `${this.#offset}-${this.#offset + piece.length - 1}` };
    await this.#send({ ...BINARY, ...range }, piece, call);
    this.#sure = true;
  }

  async #send(
    headers: Readonly<Record<string, string>>,
    body: AsyncIterable<Uint8Array> | Uint8Array,
    call: Call,
  ): Promise<void> {
    const asked = this.#path.ask("PATCH", this.location, [202, 201, 204]);
    const response = await this.#path.host.once({ ...asked, headers, body }, call);
    await discard(response);
    this.#accepted = response.status === 201;
    this.#moveTo(response);
    const arrived = arrivedIn(response);
    if (arrived !== undefined && arrived < this.#feed.at) throw new Behind();
    this.#offset = this.#feed.at;
  }

  /** Learns how much has arrived. @throws BeginAgain where that cannot be known */
  async #resync(patience: HostPatience, cause: unknown, call: Call): Promise<void> {
    let response: Response;
    try {
      response = await this.#path.host.ask(
        { ...this.#path.ask("GET", this.location, [204, 200, 202]), patience },
        call,
      );
    } catch (error) {
      if (error instanceof Refusal) throw new BeginAgain(cause);
      throw error;
    }
    await discard(response);
    const arrived = arrivedIn(response);
    if (arrived === undefined || arrived > this.#sent) throw new BeginAgain(cause);
    patience.reached(arrived);
    this.#offset = arrived;
    this.#sure = false;
    this.#resumed = true;
    this.#moveTo(response);
  }

  /** An answer may name another place for the next request; where it names none, that stays. */
  #moveTo(response: Response): void {
    if (response.headers.has("location")) this.location = locationOf(response, this.#path.host);
  }

  async #commit(d: Descriptor, whole: boolean, patience: HostPatience, call: Call): Promise<void> {
    for (;;) {
      const target = withQuery(this.location, "digest", d.digest);
      const length = { "content-length": `${whole ? d.size : 0}` };
      try {
        const response = await this.#path.host.once(
          {
            ...this.#path.ask("PUT", target, [201, 204]),
            patient: true,
            ...(whole
              ? {
                  headers: { ...BINARY, ...length },
                  body: this.#feed.piece(0, Number.POSITIVE_INFINITY, call),
                }
              : { headers: length }),
          },
          call,
        );
        return await discard(response);
      } catch (error) {
        if (this.#feed.failed) throw error;
        const refused = error instanceof Refusal ? error : undefined;
        if (whole && isTooLarge(refused) && this.#limits.shrink(d.size)) throw new BeginAgain(error);
        const gone = refused?.status === 404;
        const spoilt = this.#isSpoilt(refused);
        if (!isTransient(error) && !gone && !spoilt && !this.#accepted) throw error;
        // The answer may have been lost on its way, not the blob.
        if (!spoilt && (await this.#path.has(d, call))) return;
        if (!isTransient(error) && !gone && !spoilt) throw error;
        await this.#pause(patience, error, call);
        if (whole || gone || spoilt) throw new BeginAgain(error);
      }
    }
  }

  async #pause(patience: HostPatience, error: unknown, call: Call): Promise<void> {
    await patience.afterFailure(error, call, true).catch((last: unknown) => {
      throw asUnreachable(last, this.#path.host);
    });
  }
}

/** The registry does not know the upload any more, or not what of it has arrived, or does not take it this way. */
export class BeginAgain extends Error {
  constructor(cause: unknown) {
    super("the upload has to be begun again", { cause });
  }
}

/** The registry took a piece, but says that less has arrived than was sent. */
class Behind extends Error {}
