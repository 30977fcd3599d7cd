import type { HttpResponse } from "../base/index.ts";
import { type Descriptor, type Digest, isDigest, MANIFEST_LIMIT, MediaType } from "../oci/index.ts";
import { json } from "./answer.ts";
import { type Ask, digestIn } from "./ask.ts";
import type { Repository } from "./backing.ts";
import { RegistryError } from "./errors.ts";

/** Of descriptors in one answer: clients read no index of more than 4 MiB. */
const PAGE = MANIFEST_LIMIT - 1024;

/**
 * GET /v2/NAME/referrers/DIGEST[?artifactType=] (distribution-spec, "Listing referrers"). Nothing there is an empty list; a long
 * list goes on at the `Link`.
 */
export async function listReferrers(ask: Ask): Promise<HttpResponse> {
  const { query } = ask.request;
  const subject = digestIn(ask.reference);
  const from = after(query);
  const repository = await ask.backing.find(ask.name, ask.call);
  const type = query.get("artifactType") || undefined;
  const { manifests, last } =
    repository === undefined ? { manifests: [] } : await page(repository, subject, type, from, ask);
  return json(
    200,
    { schemaVersion: 2, mediaType: MediaType.index, manifests },
    {
      "content-type": MediaType.index,
      ...(type === undefined ? {} : { "oci-filters-applied": "artifactType" }),
      ...(last === undefined ? {} : { link: linkTo(ask.name, subject, type, last) }),
    },
  );
}

/** As many of the list as an answer takes; `last` where there are more. */
async function page(
  repository: Repository,
  subject: Digest,
  type: string | undefined,
  after: Digest | undefined,
  { call }: Ask,
): Promise<{ manifests: readonly Descriptor[]; last?: Digest }> {
  const manifests: Descriptor[] = [];
  let bytes = 0;
  for (const d of await repository.manifests.referrers(subject)) {
    if (after !== undefined && d.digest <= after) continue;
    if (type !== undefined && d.artifactType !== type) continue;
    // Its record is older than its content, and outlives it.
    if (!(await repository.store.has(d, call))) continue;
    const fitting = fit(d);
    bytes += sizeOf(fitting);
    const last = manifests.at(-1)?.digest;
    if (bytes > PAGE && last !== undefined) return { manifests, last };
    manifests.push(fitting);
  }
  return { manifests };
}

/** Annotations that no answer takes are to be read in the manifest itself. */
function fit(d: Descriptor): Descriptor {
  if (sizeOf(d) <= PAGE) return d;
  const { annotations: _, ...rest } = d;
  return rest;
}

/** With the comma behind it. */
function sizeOf(d: Descriptor): number {
  return Buffer.byteLength(JSON.stringify(d)) + 1;
}

function after(query: URLSearchParams): Digest | undefined {
  const last = query.get("last");
  if (last === null || isDigest(last)) return last ?? undefined;
  throw new RegistryError("page-invalid", `last is no digest: ${JSON.stringify(last.slice(0, 200))}`);
}

function linkTo(name: string, subject: Digest, type: string | undefined, last: Digest): string {
  const query = new URLSearchParams({ ...(type === undefined ? {} : { artifactType: type }), last });
  return `</v2/${name}/referrers/${subject}?${query}>; rel="next"`;
}
