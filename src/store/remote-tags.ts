import { type Call, collect } from "../base/index.ts";
import { isObject, isTag, StoreError } from "../oci/index.ts";
import type { RemoteRepository } from "./remote-repository.ts";

const PAGE_LIMIT = 32 * 1024 * 1024;
const PAGE = 1000;
/** More pages and tags than any repository has: a list that never ends is broken. */
const MAX_PAGES = 10_000;
const MAX_TAGS = 1_000_000;

/** All tags, in lexical order, page by page (distribution-spec, "Listing Tags"). @throws StoreError `registry-error` */
export async function* listTags(at: RemoteRepository, call: Call): AsyncIterable<string> {
  const tags = new Set<string>();
  const seen = new Set<string>();
  let next: URL | undefined = new URL(`v2/${at.name}/tags/list?n=${PAGE}`, at.host.url);
  while (next !== undefined) {
    if (seen.has(next.href) || seen.size === MAX_PAGES) throw broken(at, "its pages have no end");
    seen.add(next.href);
    const response = await at.ask("GET", next, [200], call);
    const bytes = await collect(response.body, PAGE_LIMIT, `${at.origin}: a page of tags`);
    for (const tag of parsePage(at, bytes)) tags.add(tag);
    if (tags.size > MAX_TAGS) throw broken(at, `it has more than ${MAX_TAGS} tags`);
    next = nextPage(at, next, response.headers.get("link"));
  }
  // Registries of several shards answer in other orders. A tag is ASCII: this is the order of its bytes.
  yield* [...tags].sort();
}

function parsePage(at: RemoteRepository, bytes: Uint8Array): string[] {
  let page: unknown;
  try {
    page = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw broken(at, "it is not JSON", cause);
  }
  const tags = isObject(page) ? (page["tags"] ?? []) : undefined;
  if (!Array.isArray(tags)) throw broken(at, "it has no tags");
  return tags.map((tag: unknown) => {
    if (typeof tag === "string" && isTag(tag)) return tag;
    throw broken(at, `${JSON.stringify(tag)?.slice(0, 140)} is not a tag`);
  });
}

/** The `rel="next"` of a `Link` field (RFC 8288), on the registry's own origin only. */
function nextPage(at: RemoteRepository, from: URL, link: string | undefined): URL | undefined {
  const target = /<([^<>]*)>\s*;\s*rel\s*=\s*"?next"?/i.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  const url = URL.canParse(target, from.href) ? new URL(target, from) : undefined;
  if (url?.origin === at.host.url.origin) return url;
  throw broken(at, "its next page is elsewhere");
}

function broken(at: RemoteRepository, why: string, cause?: unknown): StoreError {
  return new StoreError("registry-error", `${at.origin}: the list of tags is broken: ${why}`, { cause });
}
