import { type Call, isAbort } from "../base/index.ts";
import {
  asReferrer,
  type Descriptor,
  type Digest,
  fallbackTag,
  isManifestLike,
  isOfType,
  OciError,
  parseDescriptor,
  type Store,
  StoreError,
} from "../oci/index.ts";
import { type LayoutIndex, nameOf, REF_NAME } from "./layout-index.ts";
import { readManifest } from "./read-manifest.ts";

/** Of manifests that are remembered, in bytes, with what each takes beside its own: what a digest says never changes. */
const REMEMBERED = 32 * 1024 * 1024;
const EACH = 1024;

interface Seen {
  readonly subject: Digest | undefined;
  readonly as: Descriptor;
}

/**
 * The referrers in a layout or archive. The image-spec gives them no place; two customs exist, and both are read: manifests
 * that index.json lists, without a tag (oras and we write them so), and the distribution-spec's fallback tag (regclient).
 */
export class LayoutReferrers {
  readonly #seen = new Map<Digest, Seen>();
  #weight = 0;

  async *list(
    store: Store,
    index: LayoutIndex,
    subject: Digest,
    artifactType: string | undefined,
    call: Call,
  ): AsyncIterable<Descriptor> {
    const given = new Set<Digest>();
    const all = [...rootsOf(index), ...(await fallback(store, index, subject, call))];
    for (const d of all) {
      if (!isManifestLike(d.mediaType) || given.has(d.digest)) continue;
      given.add(d.digest);
      const seen = await this.#look(store, d, call);
      if (seen?.subject === subject && isOfType(seen.as, artifactType)) yield seen.as;
    }
  }

  /** Undefined for what is no manifest at all, or is not there: one broken entry must not hide the others. */
  async #look(store: Store, d: Descriptor, call: Call): Promise<Seen | undefined> {
    const known = this.#seen.get(d.digest);
    if (known !== undefined) return known;
    try {
      const { view, bytes } = await readManifest(store, d, call);
      const seen = { subject: view.subject?.digest, as: asReferrer(d, view) };
      this.#remember(d.digest, seen, EACH + bytes.length);
      return seen;
    } catch (error) {
      if (isAbort(error) || call.signal.aborted) throw error;
      return undefined;
    }
  }

  #remember(digest: Digest, seen: Seen, weight: number): void {
    if (this.#weight + weight > REMEMBERED) {
      this.#seen.clear();
      this.#weight = 0;
    }
    this.#seen.set(digest, seen);
    this.#weight += weight;
  }
}

/** What index.json lists, each once, without the tags. What is no descriptor that we could read is passed over. */
export function rootsOf(index: LayoutIndex): readonly Descriptor[] {
  const roots = new Map<Digest, Descriptor>();
  for (const entry of index.entries) {
    const d = descriptorIn(entry);
    if (d === undefined || roots.has(d.digest)) continue;
    const { [REF_NAME]: _, ...annotations } = d.annotations ?? {};
    roots.set(d.digest, { ...d, annotations });
  }
  return [...roots.values()];
}

function descriptorIn(entry: unknown): Descriptor | undefined {
  try {
    return parseDescriptor(entry, "an entry of index.json");
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}

async function fallback(
  store: Store,
  index: LayoutIndex,
  subject: Digest,
  call: Call,
): Promise<readonly Descriptor[]> {
  const tag = fallbackTag(subject);
  if (!index.entries.some((entry) => nameOf(entry) === tag)) return [];
  try {
    const { view } = await readManifest(store, await store.resolve(tag, call), call);
    return view.kind === "index" ? view.manifests : [];
  } catch (error) {
    if (error instanceof StoreError && error.code === "not-found") return [];
    throw error;
  }
}
