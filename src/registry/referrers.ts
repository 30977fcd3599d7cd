import type { HttpResponse } from "../base/index.ts";
import { MediaType } from "../oci/index.ts";
import { json } from "./answer.ts";
import { type Ask, digestIn } from "./ask.ts";

/** GET /v2/NAME/referrers/DIGEST[?artifactType=] (distribution-spec, "Listing referrers"). Nothing there is an empty list. */
export async function listReferrers(ask: Ask): Promise<HttpResponse> {
  const subject = digestIn(ask.reference);
  const repository = await ask.backing.find(ask.name, ask.call);
  const all = (await repository?.manifests.referrers(subject)) ?? [];
  const type = ask.request.query.get("artifactType");
  const manifests = type === null ? all : all.filter((d) => d.artifactType === type);
  return json(
    200,
    { schemaVersion: 2, mediaType: MediaType.index, manifests },
    { "content-type": MediaType.index, ...(type === null ? {} : { "oci-filters-applied": "artifactType" }) },
  );
}
