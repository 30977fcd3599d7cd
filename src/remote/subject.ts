import { type Call, collect, ImgvolError, isAbort } from "../base/index.ts";
import {
  asReferrer,
  type Descriptor,
  type Digest,
  isManifestLike,
  MANIFEST_LIMIT,
  OciError,
  parseManifestOrIndex,
} from "../oci/index.ts";
import { hasReferrersApi } from "./referrers.ts";
import { addToFallback, removeFromFallback } from "./referrers-fallback.ts";
import type { RemoteRepository } from "./repository.ts";

/** A manifest that refers to another: which one, and how it is listed there. */
interface Reference {
  readonly subject: Digest;
  readonly as: Descriptor;
}

/** Keeps the lists of referrers of one repository right, where its registry does not. */
export class RemoteSubjects {
  readonly #at: RemoteRepository;
  /** What we know to be listed: a copy asks again right after it pushed. */
  readonly #listed = new Set<Digest>();
  /** What we put into lists under a tag, by subject: whoever writes over one of them is corrected with the next. */
  readonly #ours = new Map<Digest, readonly Descriptor[]>();

  constructor(at: RemoteRepository) {
    this.#at = at;
  }

  /** After a push. A registry that lists the manifest itself has told so, with `OCI-Subject`. */
  async pushed(d: Descriptor, bytes: Uint8Array, told: string | undefined, call: Call): Promise<void> {
    const found = referenceOf(d, bytes);
    if (found === undefined) return;
    if (told === undefined) await this.#add(found.subject, found.as, call);
    this.#listed.add(d.digest);
  }

  /** For a manifest that is there already: whoever pushed it may have died before it was listed. */
  async enlist(subject: Digest, d: Descriptor, call: Call): Promise<void> {
    if (this.#listed.has(d.digest)) return;
    if (!(await hasReferrersApi(this.#at, subject, call))) await this.#add(subject, d, call);
    this.#listed.add(d.digest);
  }

  /** Runs what deletes `d`, and takes it from the list that it was in. */
  async deleting(
    d: Descriptor,
    read: () => AsyncIterable<Uint8Array>,
    work: () => Promise<void>,
    call: Call,
  ): Promise<void> {
    const found = isManifestLike(d.mediaType) ? await this.#referenceIn(d, read, call) : undefined;
    await work();
    this.#listed.delete(d.digest);
    for (const [subject, all] of this.#ours) {
      this.#ours.set(
        subject,
        all.filter((one) => one.digest !== d.digest),
      );
    }
    if (found === undefined || (await hasReferrersApi(this.#at, found.subject, call))) return;
    await removeFromFallback(this.#at, found.subject, d.digest, call);
  }

  async #add(subject: Digest, d: Descriptor, call: Call): Promise<void> {
    const ours = [...(this.#ours.get(subject) ?? []).filter((one) => one.digest !== d.digest), d];
    this.#ours.set(subject, ours);
    await addToFallback(this.#at, subject, ours, call);
  }

  async #referenceIn(
    d: Descriptor,
    read: () => AsyncIterable<Uint8Array>,
    call: Call,
  ): Promise<Reference | undefined> {
    try {
      return referenceOf(d, await collect(read(), MANIFEST_LIMIT, `${this.#at.origin}: the manifest`));
    } catch (error) {
      // What is damaged, or gone, may still be deleted; whether it is there, the deletion tells.
      if (error instanceof ImgvolError && !isAbort(error) && !call.signal.aborted) return undefined;
      throw error;
    }
  }
}

function referenceOf(d: Descriptor, bytes: Uint8Array): Reference | undefined {
  try {
    const view = parseManifestOrIndex(bytes, d.mediaType);
    const subject = view.subject?.digest;
    return subject === undefined ? undefined : { subject, as: asReferrer(d, view) };
  } catch (error) {
    // What we cannot read the registry may: it is not for us to refuse.
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
