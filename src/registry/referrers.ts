import type { HttpResponse } from "../base/index.ts";
import { type Descriptor, MediaType } from "../oci/index.ts";
import { json } from "./answer.ts";
import { type Ask, digestIn } from "./ask.ts";

/** GET /v2/NAME/referrers/DIGEST[?artifactType=] (distribution-spec, "Listing referrers"). Nothing there is an empty list. */
export async function listReferrers(ask: Ask): Promise<HttpResponse> {
  const subject = digestIn(ask.reference);
  const repository = await ask.backing.find(ask.name, ask.call);
  const type = ask.request.query.get("artifactType");
  const manifests: Descriptor[] = [];
  for (const d of (await repository?.manifests.referrers(subject)) ?? []) {
    if (type !== null && d.artifactType !== type) continue;
    // Its record is older than its content, and outlives it.
    if (await repository?.store.has(d, ask.call)) manifests.push(d);
  }
  return json(
    200,
    { schemaVersion: 2, mediaType: MediaType.index, manifests },
    { "content-type": MediaType.index, ...(type === null ? {} : { "oci-filters-applied": "artifactType" }) },
  );
}
