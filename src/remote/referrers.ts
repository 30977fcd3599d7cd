import { Refusal } from "../auth/index.ts";
import { type Call, discard } from "../base/index.ts";
import {
  type Descriptor,
  type Digest,
  fallbackTag,
  isDigest,
  isObject,
  isOfType,
  MANIFEST_LIMIT,
  MediaType,
  parseDescriptor,
} from "../oci/index.ts";
import { acceptManifests } from "./manifests.ts";
import { brokenList, pages } from "./page.ts";
import type { RemoteRepository } from "./repository.ts";

/** More than any content has: what is remembered of each stays in memory. */
const MAX_REFERRERS = 100_000;

/**
 * The manifests whose subject is `subject` (distribution-spec, "Listing Referrers"). A registry without that API answers 404;
 * there clients keep the list themselves, as an index under a tag.
 * @throws StoreError `registry-error` for an answer that is no list
 */
export async function* listReferrers(
  at: RemoteRepository,
  subject: Digest,
  artifactType: string | undefined,
  call: Call,
): AsyncIterable<Descriptor> {
  const given = new Set<Digest>();
  for await (const item of entries(at, subject, artifactType, call)) {
    const d = parseDescriptor(item, `${at.origin}: a referrer of ${subject}`);
    // Registries may ignore the filter, and pages may overlap.
    if (given.has(d.digest) || !isOfType(d, artifactType)) continue;
    given.add(d.digest);
    if (given.size > MAX_REFERRERS) throw brokenList(at, "referrers", `it has more than ${MAX_REFERRERS}`);
    yield d;
  }
}

async function* entries(
  at: RemoteRepository,
  subject: Digest,
  artifactType: string | undefined,
  call: Call,
): AsyncIterable<unknown> {
  const filter = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  let answered = false;
  try {
    for await (const page of pages(at, `referrers/${subject}${filter}`, "referrers", call, ACCEPT)) {
      answered = true;
      yield* listIn(at, page);
    }
  } catch (error) {
    if (answered || !hasNoApi(error)) throw error;
    yield* listIn(at, (await readTagged(at, subject, call)) ?? { manifests: [] });
  }
}

const ACCEPT = { accept: MediaType.index };

/** Whether the registry knows who refers to what; it says so even of content that it never had. */
export async function hasReferrersApi(at: RemoteRepository, subject: Digest, call: Call): Promise<boolean> {
  try {
    await discard(await at.ask("GET", `referrers/${subject}`, [200], call, { headers: ACCEPT }));
    return true;
  } catch (error) {
    if (hasNoApi(error)) return false;
    throw error;
  }
}

/** 404 is the spec's word for it; some registries do not know the path, or the method on it. */
function hasNoApi(error: unknown): boolean {
  return error instanceof Refusal && [400, 404, 405, 501].includes(error.status);
}

/** The index under the fallback tag, as it is; undefined where there is none. */
export async function readTagged(
  at: RemoteRepository,
  subject: Digest,
  call: Call,
): Promise<{ readonly [key: string]: unknown } | undefined> {
  const tag = fallbackTag(subject);
  const what = `${at.origin}: the manifest ${tag}`;
  const { response, bytes } = await at.read(`manifests/${tag}`, MANIFEST_LIMIT, what, call, {
    headers: acceptManifests,
    expect: [200, 404],
  });
  if (response.status === 404) return undefined;
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (isObject(json)) return json;
  } catch (cause) {
    throw brokenList(at, "referrers", `${tag} is not JSON`, cause);
  }
  throw brokenList(at, "referrers", `${tag} is no index`);
}

/** The descriptors of a list, as they are. */
export function listIn(
  at: RemoteRepository,
  list: { readonly [key: string]: unknown },
): readonly { readonly [key: string]: unknown; readonly digest: Digest }[] {
  // Go's registries write null for an empty list.
  const manifests = list["manifests"] ?? [];
  if (!Array.isArray(manifests)) throw brokenList(at, "referrers", "it has no manifests");
  return manifests.map((item: unknown) => {
    if (isObject(item) && isDigest(item["digest"])) return { ...item, digest: item["digest"] };
    throw brokenList(at, "referrers", "an entry has no digest");
  });
}
