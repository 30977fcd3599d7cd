import type { HttpResponse } from "../base/index.ts";
import { json } from "./answer.ts";
import type { Ask } from "./ask.ts";
import { page } from "./page.ts";

/** GET /v2/: says that this is a registry. */
export async function version(_ask: Ask): Promise<HttpResponse> {
  return json(200, {});
}

/** GET /v2/_catalog[?n=&last=]: an extension of the distribution registry that clients lean on. */
export async function listRepositories(ask: Ask): Promise<HttpResponse> {
  const { items, headers } = await page(ask, "/v2/_catalog", ask.backing.names(ask.call));
  return json(200, { repositories: items }, headers);
}
