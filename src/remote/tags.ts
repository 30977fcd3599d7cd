import type { Call } from "../base/index.ts";
import { isTag } from "../oci/index.ts";
import { brokenList, pages } from "./page.ts";
import type { RemoteRepository } from "./repository.ts";

const PAGE = 1000;
/** More tags than any repository has: a list that never ends is broken. */
const MAX_TAGS = 1_000_000;

/** All tags, in lexical order, page by page (distribution-spec, "Listing Tags"). @throws StoreError `registry-error` */
export async function* listTags(at: RemoteRepository, call: Call): AsyncIterable<string> {
  const tags = new Set<string>();
  for await (const page of pages(at, `tags/list?n=${PAGE}`, "tags", call)) {
    for (const tag of tagsIn(at, page)) tags.add(tag);
    if (tags.size > MAX_TAGS) throw brokenList(at, "tags", `it has more than ${MAX_TAGS} tags`);
  }
  // Registries of several shards answer in other orders. A tag is ASCII: this is the order of its bytes.
  yield* [...tags].sort();
}

function tagsIn(at: RemoteRepository, page: { readonly [key: string]: unknown }): string[] {
  const tags = page["tags"] ?? [];
  if (!Array.isArray(tags)) throw brokenList(at, "tags", "it has no tags");
  return tags.map((tag: unknown) => {
    if (typeof tag === "string" && isTag(tag)) return tag;
    throw brokenList(at, "tags", `${JSON.stringify(tag)?.slice(0, 140)} is not a tag`);
  });
}
