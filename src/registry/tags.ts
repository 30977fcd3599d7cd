import type { HttpResponse } from "../base/index.ts";
import { json } from "./answer.ts";
import { type Ask, repositoryOf } from "./ask.ts";
import { page } from "./page.ts";

/** GET /v2/NAME/tags/list[?n=&last=] (distribution-spec, "Listing tags"). */
export async function listTags(ask: Ask): Promise<HttpResponse> {
  const { store, gate } = await repositoryOf(ask);
  // Within the gate: a repository that is just taken away has no index to read.
  const { items, headers } = await gate.shared(() =>
    page(ask, `/v2/${ask.name}/tags/list`, store.can.tags?.list(ask.call) ?? []),
  );
  return json(200, { name: ask.name, tags: items }, headers);
}
