import type { Call } from "../base/index.ts";
import { isObject, StoreError } from "../oci/index.ts";
import type { RemoteRepository } from "./repository.ts";

const PAGE_LIMIT = 32 * 1024 * 1024;
/** Of all pages: what they say is kept until the last one. */
const LIST_LIMIT = 128 * 1024 * 1024;
/** More pages than any list has: one that never ends is broken. */
const MAX_PAGES = 10_000;

/** A list as a registry gives it out, page by page. @throws StoreError `registry-error`; what asking throws */
export async function* pages(
  at: RemoteRepository,
  path: string,
  what: string,
  call: Call,
  headers: Readonly<Record<string, string>> = {},
): AsyncIterable<{ readonly [key: string]: unknown }> {
  const seen = new Set<string>();
  let size = 0;
  let next: URL | undefined = at.url(path);
  while (next !== undefined) {
    if (seen.has(next.href) || seen.size === MAX_PAGES) throw brokenList(at, what, "its pages have no end");
    seen.add(next.href);
    const named = `${at.origin}: a page of ${what}`;
    const { response, bytes } = await at.read(next, PAGE_LIMIT, named, call, { headers });
    size += bytes.length;
    if (size > LIST_LIMIT) throw brokenList(at, what, `it has more than ${LIST_LIMIT} bytes`);
    yield parsePage(at, what, bytes);
    next = nextPage(at, what, next, response.headers.get("link"));
  }
}

function parsePage(
  at: RemoteRepository,
  what: string,
  bytes: Uint8Array,
): { readonly [key: string]: unknown } {
  let page: unknown;
  try {
    page = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw brokenList(at, what, "it is not JSON", cause);
  }
  if (isObject(page)) return page;
  throw brokenList(at, what, "it is no object");
}

/** The `rel="next"` of a `Link` field (RFC 8288), on the registry's own origin only. */
function nextPage(at: RemoteRepository, what: string, from: URL, link: string | undefined): URL | undefined {
  const target = /<([^<>]*)>\s*;\s*rel\s*=\s*"?next"?/i.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  const url = URL.canParse(target, from.href) ? new URL(target, from) : undefined;
  if (url?.origin === at.host.url.origin) return at.meant(url);
  throw brokenList(at, what, "its next page is elsewhere");
}

export function brokenList(at: RemoteRepository, what: string, why: string, cause?: unknown): StoreError {
  return new StoreError("registry-error", `${at.origin}: the list of ${what} is broken: ${why}`, { cause });
}
