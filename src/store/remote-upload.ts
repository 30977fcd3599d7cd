import { type Call, discard, type Response } from "../base/index.ts";
import type { Descriptor, Digest } from "../oci/index.ts";
import type { Incoming } from "./medium.ts";
import { asUnreachable, Refusal } from "./remote-errors.ts";
import type { Ask, RemoteHost } from "./remote-host.ts";
import { locationOf, withQuery } from "./remote-location.ts";
import { isTransient, Patience } from "./remote-retry.ts";

/** Up to here known content goes in one PUT, which saves a round trip; above, an upload that can be continued is worth more. */
const ONE_PUT = 16 * 1024 * 1024;
const CANCEL_TIMEOUT = 2_000;
const BINARY = { "content-type": "application/octet-stream" };

/** Uploads blobs into one repository (distribution-spec, "Pushing blobs"). */
export class BlobUploads {
  readonly #host: RemoteHost;
  readonly #repository: string;

  constructor(host: RemoteHost, repository: string) {
    this.#host = host;
    this.#repository = repository;
  }

  /**
   * Sends content in one pass: the digest need not be known before its last byte. What a cut connection has lost is sent
   * again, from where the registry says, or from the start where it says nothing.
   */
  async upload(content: Incoming, call: Call): Promise<void> {
    const patience = new Patience(this.#host.options.retry);
    for (;;) {
      const session = new Session(await this.#start(call), content);
      try {
        await this.#fill(session, patience, call);
        return await this.#commit(session, patience, call);
      } catch (error) {
        await this.#cancel(session);
        if (!(error instanceof LostSession)) throw asUnreachable(error, this.#host.registry);
      }
    }
  }

  /** Asks for the blob to be taken from another repository. False where the registry does not. */
  async mount(digest: Digest, from: string, call: Call): Promise<boolean> {
    const path = `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const asked = this.#to("POST", path, [201, 202]);
    const scopes = [...asked.purpose.scopes, `repository:${from}:pull`];
    try {
      const response = await this.#host.ask({ ...asked, purpose: { ...asked.purpose, scopes } }, call);
      await discard(response);
      if (response.status === 201) return true;
      // The registry opened an upload instead.
      await this.#cancel({ location: locationOf(response, this.#host) });
      return false;
    } catch (error) {
      if (error instanceof Refusal && error.status < 500 && error.status !== 429) return false;
      throw error;
    }
  }

  async #start(call: Call): Promise<URL> {
    const response = await this.#host.ask(this.#to("POST", "blobs/uploads/", [202]), call);
    await discard(response);
    return locationOf(response, this.#host);
  }

  /** Gets all bytes to the registry, but for those that go with the last request. */
  async #fill(session: Session, patience: Patience, call: Call): Promise<void> {
    const { expected } = session.content;
    if (expected !== undefined && expected.size <= ONE_PUT) return;
    while (!session.full) {
      try {
        await this.#patch(session, call);
      } catch (error) {
        // 416: what was still on its way when we asked has arrived meanwhile.
        const moved = error instanceof Refusal && error.status === 416 && session.offset > 0;
        if (session.sourceFailed || !(moved || isTransient(error))) throw error;
        await this.#pause(patience, error, call);
        await this.#resume(session, patience, error, call);
      }
    }
  }

  async #patch(session: Session, call: Call): Promise<void> {
    const { size } = session.content.source;
    const { offset } = session;
    const known = session.total ?? size;
    const range: Record<string, string> = {};
    if (known !== undefined && known > offset) {
      range["content-length"] = `${known - offset}`;
      // Only a continued upload needs it; some registries stumble over it in an upload of one piece.
      if (offset > 0) range["content-range"] = `${offset}-${known - 1}`;
    }
    const response = await this.#host.once(
      {
        ...this.#to("PATCH", session.location, [202, 201, 204]),
        headers: { ...BINARY, ...range },
        body: session.rest(call),
      },
      call,
    );
    await discard(response);
    session.offset = session.sent;
    session.location = locationOf(response, this.#host);
  }

  /** Learns how much has arrived. @throws LostSession where that cannot be known */
  async #resume(session: Session, patience: Patience, cause: unknown, call: Call): Promise<void> {
    let response: Response;
    try {
      response = await this.#host.ask(this.#to("GET", session.location, [204, 200, 202]), call);
    } catch (error) {
      if (error instanceof Refusal) throw new LostSession(cause);
      throw error;
    }
    await discard(response);
    const last = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.get("range") ?? "")?.[1];
    const arrived = Number(last) + 1;
    // "0-0" is said of one byte, and of none.
    if (last === undefined || arrived <= 1 || arrived > session.sent) throw new LostSession(cause);
    if (arrived > session.offset) patience.progressed();
    session.offset = arrived;
    if (response.headers.has("location")) session.location = locationOf(response, this.#host);
  }

  /** Ends the upload: from here the blob is visible. @throws LostSession where it has to be begun again */
  async #commit(session: Session, patience: Patience, call: Call): Promise<void> {
    const { expected } = session.content;
    const whole = expected !== undefined && expected.size <= ONE_PUT;
    for (;;) {
      const d = whole ? expected : session.content.seal();
      try {
        const response = await this.#host.once(
          {
            ...this.#to("PUT", withQuery(session.location, "digest", d.digest), [201, 204]),
            patient: true,
            ...(whole
              ? { headers: { ...BINARY, "content-length": `${d.size}` }, body: session.rest(call) }
              : { headers: { "content-length": "0" } }),
          },
          call,
        );
        return await discard(response);
      } catch (error) {
        if (session.sourceFailed) throw error;
        // What we sent was checked; bytes that were lost or doubled where a connection was cut are sent again.
        const refused = error instanceof Refusal ? error : undefined;
        const spoilt = session.resumed && refused?.codes.includes("DIGEST_INVALID") === true;
        const gone = refused?.status === 404;
        if (!isTransient(error) && !gone && !spoilt) throw error;
        // The answer may have been lost on its way, not the blob.
        if (!spoilt && (await this.has(d, call))) return;
        await this.#pause(patience, error, call);
        if (whole || gone || spoilt) throw new LostSession(error);
      }
    }
  }

  async has(d: Descriptor, call: Call): Promise<boolean> {
    const response = await this.#host.ask(this.#to("HEAD", `blobs/${d.digest}`, [200, 404]), call);
    await discard(response);
    return response.status === 200;
  }

  #to(method: string, where: URL | string, expect: readonly number[]): Ask {
    const repository = this.#repository;
    const { registry } = this.#host;
    return {
      method,
      url: typeof where === "string" ? new URL(`v2/${repository}/${where}`, this.#host.url) : where,
      expect,
      purpose: { repository, scopes: [`repository:${repository}:pull,push`] },
      what: `${registry}/${repository}: an upload`,
    };
  }

  async #pause(patience: Patience, error: unknown, call: Call): Promise<void> {
    await patience.afterFailure(error, call, true).catch((last: unknown) => {
      throw asUnreachable(last, this.#host.registry);
    });
  }

  /** What was begun and will not be ended takes room at the registry. It does so for a while, where this fails. */
  async #cancel(session: { location: URL }): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT);
    try {
      const asked = this.#to("DELETE", session.location, [204, 200, 202, 404]);
      await discard(await this.#host.once(asked, { signal }));
    } catch {
      // Not worth hiding the error that led here.
    }
  }
}

/** One upload on its way. */
class Session {
  location: URL;
  readonly content: Incoming;
  /** How many bytes the registry has for certain. */
  offset = 0;
  /** How many were sent, or begun to be sent. */
  sent = 0;
  /** How many there are, once the source has ended. */
  total: number | undefined;
  resumed = false;
  sourceFailed = false;

  constructor(location: URL, content: Incoming) {
    this.location = location;
    this.content = content;
  }

  get full(): boolean {
    return this.offset === this.total;
  }

  /** The bytes from the offset on. */
  async *rest(call: Call): AsyncIterable<Uint8Array> {
    this.resumed ||= this.offset > 0;
    this.sent = this.offset;
    try {
      for await (const chunk of this.content.source.open(this.offset, call)) {
        this.sent += chunk.length;
        yield chunk;
      }
    } catch (error) {
      this.sourceFailed = true;
      throw error;
    }
    this.total = this.sent;
  }
}

/** The registry does not know the upload any more, or not what of it has arrived. */
class LostSession extends Error {
  constructor(cause: unknown) {
    super("the upload was lost", { cause });
  }
}
