import { type ByteSource, type Call, fromBytes, ImgvolError, isAbort, messageOf } from "../base/index.ts";
import { type Descriptor, type Digest, OciError, type Store, StoreError } from "../oci/index.ts";
import { damagedHint, readUnverified } from "../store/index.ts";

/** An error of a copy: the code is the one of the store that failed, and `side` says which. */
export class CopyError extends ImgvolError {
  readonly side: "source" | "destination";
  readonly origin: string;

  constructor(side: "source" | "destination", origin: string, cause: unknown) {
    const known = cause instanceof ImgvolError ? cause : undefined;
    const message = messageOf(cause);
    super(
      known?.code ?? "copy-failed",
      `${side} ${message.includes(origin) ? message : `${origin}: ${message}`}`,
      {
        ...(known?.hint === undefined ? {} : { hint: known.hint }),
        cause,
      },
    );
    this.side = side;
    this.origin = origin;
  }
}

export type Outcome = "copied" | "skipped" | "mounted" | "foreign";

/** The two stores of a copy, one content at a time, and which of them is to blame for an error. */
export class CopySides {
  readonly #source: Store;
  readonly #destination: Store;
  readonly #force: boolean;

  /** @param force also what the destination says it has is sent */
  constructor(source: Store, destination: Store, force: boolean) {
    this.#source = source;
    this.#destination = destination;
    this.#force = force;
  }

  fromSource<T>(work: () => Promise<T>): Promise<T> {
    return blaming("source", this.#source, work);
  }

  intoDestination<T>(work: () => Promise<T>): Promise<T> {
    return blaming("destination", this.#destination, work);
  }

  async blob(d: Descriptor, call: Call): Promise<Outcome> {
    if (!this.#force && (await this.intoDestination(() => this.#destination.has(d, call)))) return "skipped";
    const { mount } = this.#destination.can;
    if (mount !== undefined && !this.#force) {
      if (await this.intoDestination(() => mount.mount(d, this.#source, call))) return "mounted";
    }
    const foreign = d.urls !== undefined && d.urls.length > 0;
    const { mirrors } = this.#source.can;
    if (foreign && !(await this.fromSource(() => (mirrors ?? this.#source).has(d, call)))) return "foreign";
    for (;;) {
      try {
        return await this.#send(d, call);
      } catch (error) {
        if (!isWrongAtSource(error) || !mirrors?.passOver(d, call)) throw error;
      }
    }
  }

  async manifest(d: Descriptor, bytes: Uint8Array, call: Call): Promise<Outcome> {
    return await this.intoDestination(async () => {
      if (!this.#force && (await this.#destination.has(d, call))) return "skipped";
      await this.#destination.put(d, fromBytes(bytes), call, { replace: this.#force });
      return "copied";
    });
  }

  /** Names the image. Where the destination has other bytes by its digest than it should, it gets them first. */
  async tag(name: string, d: Descriptor, bytes: Uint8Array, call: Call): Promise<void> {
    await this.intoDestination(async () => {
      try {
        await this.#destination.tag(name, d, call);
      } catch (error) {
        if (!isMismatch(error)) throw error;
        await this.#destination.put(d, fromBytes(bytes), call, { replace: true });
        await this.#destination.tag(name, d, call);
      }
    });
  }

  /** Where the destination does not know by itself what refers to what. */
  async enlist(subject: Digest, d: Descriptor, call: Call): Promise<void> {
    await this.intoDestination(async () => {
      await this.#destination.can.referrers?.enlist?.(subject, d, call);
    });
  }

  /** "mounted" where the destination never asked for the bytes: registries take what another of their repositories has. */
  async #send(d: Descriptor, call: Call): Promise<"copied" | "mounted"> {
    const task = call.progress?.start(d.digest.slice(0, 19), d.size);
    const source = this.#source;
    let broken: { error: unknown } | undefined;
    let at = 0;
    let asked = false;
    const content: ByteSource = {
      size: d.size,
      async *open(offset, part) {
        asked = true;
        task?.advance(offset - at);
        at = offset;
        broken = undefined;
        try {
          for await (const chunk of readUnverified(source, d, offset, part)) {
            yield chunk;
            at += chunk.length;
            task?.advance(chunk.length);
          }
        } catch (error) {
          broken = { error };
          throw error;
        }
      },
    };
    try {
      await this.#destination.put(d, content, call, { replace: this.#force });
    } catch (error) {
      task?.failed();
      if (isAbort(error) || call.signal.aborted) throw error;
      if (broken !== undefined) throw new CopyError("source", source.origin, broken.error);
      throw wrongAtSource(error, d, source) ?? new CopyError("destination", this.#destination.origin, error);
    }
    task?.done(asked ? undefined : "mounted");
    return asked ? "copied" : "mounted";
  }
}

/** Whether it is the content that is wrong, and not the way to it. */
function isWrongAtSource(error: unknown): boolean {
  return error instanceof CopyError && error.side === "source" && isMismatch(error.cause);
}

function isMismatch(error: unknown): error is StoreError {
  return error instanceof StoreError && (error.code === "digest-mismatch" || error.code === "size-mismatch");
}

/** Where the destination found the bytes wrong as they came, they are wrong at the source. */
function wrongAtSource(error: unknown, d: Descriptor, source: Store): CopyError | undefined {
  if (!isMismatch(error)) return undefined;
  const what = error.code === "size-mismatch" ? `${d.size} bytes` : "the content that its digest says";
  const found = new StoreError(error.code, `${source.origin}: ${d.digest} is not ${what}`, {
    hint: damagedHint(source.origin),
    cause: error,
  });
  return new CopyError("source", source.origin, found);
}

async function blaming<T>(side: CopyError["side"], store: Store, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isAbort(error) || error instanceof CopyError || error instanceof OciError) throw error;
    throw new CopyError(side, store.origin, error);
  }
}
